/// `output = first + second`; a second input of batch 1 is added to every batch element.
public struct Add: OperationPayload {
  public let first: Value
  public let second: Value

  public var inputs: [Value] { [first, second] }
  public var inPlaceInput: Value? { first }
}

/// `output = residual + gate * input`, the gate optional: a product's epilogue, taken apart so that the product itself can be
/// observed.
public struct GatedResidual: OperationPayload {
  public let input: Value
  public let gate: ModulationRow?
  public let residual: Value

  public var inputs: [Value] { [input, gate?.value, residual].compactMap { $0 } }
  public var inPlaceInput: Value? { input }
}

public struct Activate: OperationPayload {
  public let input: Value
  public let activation: Activation

  public var inputs: [Value] { [input] }
  public var inPlaceInput: Value? { input }
}

/// `output = activation(first half of the channels) * second half`: Gemma's gated feed-forward.
public struct GatedLinearUnit: OperationPayload {
  public let input: Value
  public let activation: Activation

  public var inputs: [Value] { [input] }
}
