/// An elementwise function.
public enum Activation: Hashable, Sendable {
  case none
  case relu
  /// `x * sigmoid(x)`
  case silu
  /// GELU with the tanh approximation, as PyTorch's `gelu(approximate="tanh")`.
  case geluTanh
}

/// One row of a modulation value: for a value of shape `[batch, 1, count * channels]`, the slice
/// `[index * channels, (index + 1) * channels)` of each batch element, applied to every position of that element.
public struct ModulationRow: Hashable, Sendable {
  public let value: Value
  public let index: Int

  public init(_ value: Value, _ index: Int) {
    self.value = value
    self.index = index
  }
}

/// What is done to the sums of a product before they are stored:
/// `output = residual + gate * activation(sum + bias)`, each part optional.
public struct Epilogue: Sendable {
  public var bias: Parameter?
  public var activation: Activation
  public var gate: ModulationRow?
  public var residual: Value?

  public init(
    bias: Parameter? = nil, activation: Activation = .none, gate: ModulationRow? = nil,
    residual: Value? = nil
  ) {
    self.bias = bias
    self.activation = activation
    self.gate = gate
    self.residual = residual
  }

  package var inputs: [Value] { [gate?.value, residual].compactMap { $0 } }
}
