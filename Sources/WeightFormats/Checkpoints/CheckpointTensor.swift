/// One tensor of a file of weights, without its numbers.
public struct CheckpointTensor: Hashable, Sendable {
  public let name: String
  public let type: ScalarType
  /// Outermost axis first; `[]` for a scalar. The product of the axes and the element size fits in
  /// an `Int`.
  public let shape: [Int]

  public init(name: String, type: ScalarType, shape: [Int]) {
    self.name = name
    self.type = type
    self.shape = shape
  }

  public var elementCount: Int { shape.reduce(1, *) }
  public var byteCount: Int { elementCount * type.byteCount }
}
