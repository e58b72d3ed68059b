extension TensorDescription {
  /// The numbers that some rows of a stored tensor stand for: 16-bit formats as they are, codes multiplied by their scales in f32.
  /// - Parameters:
  ///   - values: the rows' codes or numbers.
  ///   - scales: the rows' scales; empty where the encoding has none.
  /// - Returns: `nil` for an encoding of something else than weights.
  package func decode(
    _ values: TensorBytes, scales: UnsafeBufferPointer<Float>, rows: Int
  ) -> TensorElements? {
    switch encoding {
    case .f32: return TensorElements(type: .f32, bytes: values)
    case .f16: return TensorElements(type: .f16, bytes: values)
    case .bf16: return TensorElements(type: .bf16, bytes: values)
    case .plain: return nil
    case .int8PerChannel, .int8Grouped, .int4Grouped: break
    }
    let columns = columns
    let scalesPerRow = scaleCount / max(self.rows, 1)
    let group = groupSize
    let codeBytesPerRow = valueByteCount / max(self.rows, 1)
    return TensorElements(
      type: .f32,
      bytes: TensorBytes(byteCount: rows * columns * 4) { memory in
        let floats = memory.assumingMemoryBound(to: Float.self)
        for row in 0..<rows {
          for column in 0..<columns {
            let code =
              if case .int4Grouped = encoding {
                Int(values.bytes[row * codeBytesPerRow + column / 2] >> (column % 2 * 4) & 15) - 8
              } else {
                Int(Int8(bitPattern: values.bytes[row * codeBytesPerRow + column]))
              }
            floats[row * columns + column] =
              Float(code) * scales[row * scalesPerRow + column / group]
          }
        }
      })
  }

  /// Columns that share a scale.
  private var groupSize: Int {
    switch encoding {
    case .int8Grouped(let size), .int4Grouped(let size): size
    case .f32, .f16, .bf16, .int8PerChannel, .plain: max(columns, 1)
    }
  }
}
