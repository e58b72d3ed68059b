internal import SanaGraph

extension ReferenceExecutable {
  func compute(_ operation: Convolution, _ output: ReferenceActivation) {
    let weight = weight(operation.weight)
    let input = activation(operation.input)
    let epilogue = epilogue(operation.epilogue, output)
    if let coded = weight.coded, operation.isWinograd {
      return computeInt8(.winograd(winograd), input, coded, epilogue, output)
    }
    let rows = rows(operation.input)
    let (kernel, channels) = (operation.kernel, input.shape.channels)
    output.forEachPixel { row, batch, y, x in
      let top = y * operation.stride - operation.padding
      let left = x * operation.stride - operation.padding
      for channel in 0..<output.shape.channels {
        var sum = 0.0
        for tapY in 0..<kernel {
          for tapX in 0..<kernel {
            guard let source = input.row(batch, top + tapY, left + tapX) else { continue }
            let tap = ((channel * kernel + tapY) * kernel + tapX) * channels
            sum += dot(rows[source], 0, weight.values, tap, count: channels)
          }
        }
        output[row: row, channel] = epilogue.apply(sum, row, batch, channel)
      }
    }
  }

  func compute(_ operation: UpsampleConvolution, _ output: ReferenceActivation) {
    let weight = weight(operation.weight)
    let input = activation(operation.input)
    let epilogue = epilogue(operation.epilogue, output)
    if let coded = weight.coded {
      return computeInt8(.upsampling, input, coded, epilogue, output)
    }
    let rows = rows(operation.input)
    let channels = input.shape.channels
    output.forEachPixel { row, batch, y, x in
      let phase = 2 * (y % 2) + x % 2
      let top = y / 2 + y % 2 - 1
      let left = x / 2 + x % 2 - 1
      for channel in 0..<operation.outputs {
        let kernel = (phase * operation.outputs + channel) * 4
        var sum = 0.0
        for tapY in 0..<2 {
          for tapX in 0..<2 {
            guard let source = input.row(batch, top + tapY, left + tapX) else { continue }
            let tap = (kernel + 2 * tapY + tapX) * channels
            sum += dot(rows[source], 0, weight.values, tap, count: channels)
          }
        }
        output[row: row, channel] = epilogue.apply(sum, row, batch, channel)
      }
    }
  }

  func compute(_ operation: DepthwiseConvolution, _ output: ReferenceActivation) {
    let weight = weight(operation.weight).values
    let bias = operation.bias.map { self.weight($0).values }
    let input = activation(operation.input)
    let (kernel, channels) = (operation.kernel, input.shape.channels)
    func sum(_ batch: Int, _ y: Int, _ x: Int, _ channel: Int) -> Double {
      var sum = bias?[channel] ?? 0
      for tapY in 0..<kernel {
        for tapX in 0..<kernel {
          let source = input[batch, y + tapY - kernel / 2, x + tapX - kernel / 2, channel]
          sum += (source ?? 0) * weight[(tapY * kernel + tapX) * channels + channel]
        }
      }
      return sum
    }
    output.forEachPixel { row, batch, y, x in
      for channel in 0..<output.shape.channels {
        var result = sum(batch, y, x, channel)
        if operation.gatedLinearUnit {
          result *= Activation.silu.apply(sum(batch, y, x, channel + channels / 2))
        }
        output[row: row, channel] = result
      }
    }
  }
}
