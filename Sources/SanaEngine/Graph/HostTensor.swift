/// An activation in ordinary memory, on its way into or out of a graph.
public struct HostTensor: Sendable {
  public enum Storage: Sendable {
    case floats([Float])
    case integers([Int32])
  }

  public let shape: Shape
  public let storage: Storage

  public init(_ shape: Shape, _ values: [Float]) {
    precondition(values.count == shape.elementCount)
    self.shape = shape
    self.storage = .floats(values)
  }

  public init(_ shape: Shape, integers: [Int32]) {
    precondition(integers.count == shape.elementCount)
    self.shape = shape
    self.storage = .integers(integers)
  }

  /// The numbers of a floating-point tensor.
  public var values: [Float] {
    guard case .floats(let values) = storage else { preconditionFailure("an integer tensor") }
    return values
  }
}
