internal import Support

extension TensorDescription {
  /// The numbers that some rows of a stored tensor stand for: 16-bit formats as they are, codes
  /// multiplied by their scales in f32.
  /// - Parameters:
  ///   - values: the rows' codes or numbers.
  ///   - scales: the rows' scales; empty where the encoding has none.
  /// - Returns: `nil` for an encoding of something else than weights.
  package func decode(
    _ values: TensorBytes, scales: UnsafeBufferPointer<Float>, rows: Int
  ) -> TensorElements? {
    switch encoding {
    case .f32: TensorElements(type: .f32, bytes: values)
    case .f16: TensorElements(type: .f16, bytes: values)
    case .bf16: TensorElements(type: .bf16, bytes: values)
    case .plain: nil
    case .int8PerChannel, .int8Grouped, .int4Grouped:
      TensorElements(
        type: .f32,
        bytes: TensorBytes(byteCount: rows * columns * 4) { memory in
          encoding.decode(
            values.bytes, scales: scales, rows: rows, columns: columns,
            into: memory.assumingMemoryBound(to: Float.self), scratch: ScratchBuffer())
        })
    }
  }
}
