extension HostTensor {
  /// Takes over numbers in PyTorch's order `[batch, channels, height, width]`.
  ///
  /// - Parameter shape: the shape channels last, as the graph sees it.
  public init(_ shape: Shape, channelsFirst values: [Float]) {
    precondition(values.count == shape.elementCount)
    self.init(
      shape,
      Self.transposed(values, batch: shape.batch, rows: shape.channels, columns: shape.positions))
  }

  /// The numbers of a floating-point tensor in PyTorch's order `[batch, channels, height, width]`.
  public var channelsFirstValues: [Float] {
    Self.transposed(values, batch: shape.batch, rows: shape.positions, columns: shape.channels)
  }

  /// Transposes each of `batch` matrices.
  private static func transposed(
    _ values: [Float], batch: Int, rows: Int, columns: Int
  ) -> [Float] {
    let size = rows * columns
    return [Float](unsafeUninitializedCapacity: values.count) { result, count in
      for element in 0..<batch {
        for column in 0..<columns {
          for row in 0..<rows {
            result.initializeElement(
              at: element * size + column * rows + row,
              to: values[element * size + row * columns + column])
          }
        }
      }
      count = values.count
    }
  }
}
