internal import CKernels
internal import SanaGraph

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

extension CPUExecutable {
  func compute(_ operation: EmbeddingLookup, _ output: Value) throws {
    let channels = shape(output).channels
    let target = floats(output)
    let weight = try weight(
      operation.table, rows: operation.rows(of: integers(operation.identifiers)))
    withExtendedLifetime(weight) {
      guard var matrix = weight.matrix else {
        preconditionFailure("rows of a table are a matrix")
      }
      for token in 0..<matrix.rows {
        let start = target + token * channels
        kernels.decode_row(&matrix, token, 0, channels, start)
        for channel in 0..<channels { start[channel] *= operation.scale }
      }
    }
  }

  func compute(_ operation: SinusoidalEmbedding, _ output: Value) {
    let half = operation.channels / 2
    let times = floats(operation.input)
    let target = floats(output)
    for row in 0..<shape(output).rows {
      for index in 0..<half {
        // Exponent, frequency and angle are f32 numbers in PyTorch; at time 999 their rounding shows.
        let exponent = -Float(log(10000.0)) * Float(index) / Float(half)
        let angle = Double(times[row] * Float(exp(Double(exponent))))
        target[2 * row * half + index] = Float(cos(angle))
        target[(2 * row + 1) * half + index] = Float(sin(angle))
      }
    }
  }

  func compute(_ operation: AddTable, _ output: Value) {
    let (rows, channels) = (operation.table.shape[0], operation.table.shape[1])
    let input = floats(operation.input)
    let inputChannels = shape(operation.input).channels
    let target = floats(output)
    for batch in 0..<shape(output).rows {
      for row in 0..<rows {
        let start = target + (batch * rows + row) * channels
        decode(operation.table, row: row, to: start)
        let source = input + batch * inputChannels + row * channels % inputChannels
        kernels.add(start, source, start, channels)
      }
    }
  }

  private func decode(_ table: Parameter, row: Int, to target: UnsafeMutablePointer<Float>) {
    var matrix = matrix(table)
    kernels.decode_row(&matrix, row, 0, matrix.columns, target)
  }
}
