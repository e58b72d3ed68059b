internal import SanaGraph

extension ReferenceExecutable {
  func compute(_ operation: RMSNorm, _ output: ReferenceActivation) {
    let input = activation(operation.input)
    let residual = operation.residual.map(activation)
    let weight = operation.weight.map { self.weight($0).values }
    let bias = operation.bias.map { self.weight($0).values }
    let range = operation.channels ?? 0..<input.shape.channels
    output.forEachRow { row, _ in
      let channels = input.channels(row: row)
      let meanSquare = channels[range].reduce(0) { $0 + $1 * $1 } / Double(range.count)
      let scale = 1 / (meanSquare + Double(operation.epsilon)).squareRoot()
      for channel in channels.indices {
        var result = channels[channel]
        if range.contains(channel) {
          let position = channel - range.lowerBound
          result *= scale * ((weight?[position] ?? 1) + Double(operation.weightOffset))
          result += bias?[position] ?? 0
        }
        output[row: row, channel] = result + (residual?[row: row, channel] ?? 0)
      }
    }
  }

  func compute(_ operation: ModulatedLayerNorm, _ output: ReferenceActivation) {
    let input = activation(operation.input)
    let count = Double(input.shape.channels)
    let shift = modulation(operation.shift, channels: input.shape.channels)
    let scale = modulation(operation.scale, channels: input.shape.channels)
    output.forEachRow { row, batch in
      let channels = input.channels(row: row)
      let mean = channels.reduce(0, +) / count
      let variance = channels.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
      let factor = 1 / (variance + Double(operation.epsilon)).squareRoot()
      for channel in channels.indices {
        output[row: row, channel] =
          (channels[channel] - mean) * factor * (1 + scale[batch, channel]) + shift[batch, channel]
      }
    }
  }
}
