internal import SanaGraph

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

extension ReferenceExecutable {
  func compute(_ operation: EmbeddingLookup, _ output: ReferenceActivation) throws {
    let rows = try weight(
      operation.table, rows: operation.rows(of: integers(operation.identifiers)))
    output.forEachRow { row, _ in
      for channel in 0..<output.shape.channels {
        output[row: row, channel] =
          rows.values[row * output.shape.channels + channel] * Double(operation.scale)
      }
    }
  }

  func compute(_ operation: SinusoidalEmbedding, _ output: ReferenceActivation) {
    let input = activation(operation.input)
    let half = operation.channels / 2
    output.forEachRow { row, _ in
      let time = Float(input[row: row, 0])
      for index in 0..<half {
        // Exponent, frequency and angle are f32 numbers in PyTorch; at time 999 their rounding shows.
        let exponent = -Float(log(10000.0)) * Float(index) / Float(half)
        let angle = Double(time * Float(exp(Double(exponent))))
        output[row: row, index] = cos(angle)
        output[row: row, half + index] = sin(angle)
      }
    }
  }

  func compute(_ operation: AddTable, _ output: ReferenceActivation) {
    let input = activation(operation.input)
    let table = weight(operation.table).values
    output.forEachRow { row, _ in
      for channel in table.indices {
        output[row: row, channel] = table[channel] + input[row: row, channel % input.shape.channels]
      }
    }
  }
}
