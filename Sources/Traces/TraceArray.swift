/// A dataset in memory: its shape, outermost axis first, and its numbers in row-major order.
public struct TraceArray<Element: Sendable>: Sendable {
  public let shape: [Int]
  public let values: [Element]

  public init(shape: [Int], values: [Element]) {
    precondition(shape.reduce(1, *) == values.count)
    self.shape = shape
    self.values = values
  }

  /// The part with this index on the outermost axis, its shape without that axis.
  ///
  /// - Precondition: the array has at least one axis, and `index` lies within it.
  public subscript(index: Int) -> TraceArray {
    let count = shape.dropFirst().reduce(1, *)
    return TraceArray(
      shape: Array(shape.dropFirst()), values: Array(values[index * count..<(index + 1) * count]))
  }
}
