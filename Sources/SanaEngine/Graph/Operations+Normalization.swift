/// `output = residual + (input / sqrt(mean(input^2) + epsilon)) * (weight + weightOffset) + bias`, the mean taken over the
/// channels of each position, in f32.
///
/// With `channels` set only that range is normalized (the mean is over the range, the weight has its length) and the other
/// channels are passed through: q/k norms work on a part of the fused q, k, v.
public struct RMSNorm: OperationPayload {
  public let input: Value
  public let weight: Parameter?
  /// 1 for Gemma, whose norms multiply by `1 + weight`.
  public let weightOffset: Float
  public let bias: Parameter?
  public let epsilon: Float
  public let channels: Range<Int>?
  public let residual: Value?

  public var inputs: [Value] { [input, residual].compactMap { $0 } }
  public var parameters: [Parameter] { [weight, bias].compactMap { $0 } }
  public var inPlaceInput: Value? { input }
}

/// Layer normalization without weights over the channels, then `* (1 + scale) + shift`; `scale` and `shift` are one vector per
/// batch element (AdaLN-single).
public struct ModulatedLayerNorm: OperationPayload {
  public let input: Value
  public let shift: ModulationRow
  public let scale: ModulationRow
  public let epsilon: Float

  public var inputs: [Value] { [input, shift.value, scale.value] }
  public var inPlaceInput: Value? { input }
}
