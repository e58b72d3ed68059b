public struct ConcatenateChannels: OperationPayload {
  public let parts: [Value]

  public var inputs: [Value] { parts }
}

/// PyTorch's `pixel_shuffle` by two, channels last: output `(2y + i, 2x + j, c)` is input `(y, x, 4 c + 2 i + j)`.
public struct PixelShuffle: OperationPayload {
  public let input: Value

  public var inputs: [Value] { [input] }
}

/// PyTorch's `pixel_unshuffle` by two: output `(y, x, 4 c + 2 i + j)` is input `(2y + i, 2x + j, c)`.
public struct PixelUnshuffle: OperationPayload {
  public let input: Value

  public var inputs: [Value] { [input] }
}

/// DC-AE's non-parametric shortcut on the way up: channels repeated (`repeat_interleave`) to `factor^2 * channels`, then
/// pixel-shuffled by `factor` (1 or 2), and added to `residual`. Output channels: those of the residual.
public struct DuplicateChannels: OperationPayload {
  public let input: Value
  public let factor: Int
  public let residual: Value

  public var inputs: [Value] { [input, residual] }
  public var inPlaceInput: Value? { residual }
}

/// DC-AE's shortcut on the way down: pixel-unshuffled by `factor` (1 or 2), consecutive groups of channels averaged to as many
/// channels as `residual` has, and added to it.
public struct AverageChannels: OperationPayload {
  public let input: Value
  public let factor: Int
  public let residual: Value

  public var inputs: [Value] { [input, residual] }
  public var inPlaceInput: Value? { residual }
}
