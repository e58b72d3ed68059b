internal import SanaGraph

extension ReferenceExecutable {
  func compute(_ operation: ConcatenateChannels, _ output: ReferenceActivation) {
    let parts = operation.parts.map(activation)
    output.forEachRow { row, _ in
      for (channel, value) in parts.flatMap({ $0.channels(row: row) }).enumerated() {
        output[row: row, channel] = value
      }
    }
  }

  func compute(_ operation: PixelShuffle, _ output: ReferenceActivation) {
    let input = activation(operation.input)
    output.forEachPixel { row, batch, y, x in
      for channel in 0..<output.shape.channels {
        output[row: row, channel] = input.pixelShuffled(2, batch, y, x, channel)
      }
    }
  }

  func compute(_ operation: PixelUnshuffle, _ output: ReferenceActivation) {
    let input = activation(operation.input)
    output.forEachPixel { row, batch, y, x in
      for channel in 0..<output.shape.channels {
        output[row: row, channel] = input.pixelUnshuffled(2, batch, y, x, channel)
      }
    }
  }

  func compute(_ operation: DuplicateChannels, _ output: ReferenceActivation) {
    let input = activation(operation.input)
    let residual = activation(operation.residual)
    let factor = operation.factor
    let repeats = output.shape.channels * factor * factor / input.shape.channels
    output.forEachPixel { row, batch, y, x in
      for channel in 0..<output.shape.channels {
        output[row: row, channel] =
          residual[row: row, channel]
          + input.pixelShuffled(factor, batch, y, x, channel, repeats: repeats)
      }
    }
  }

  func compute(_ operation: AverageChannels, _ output: ReferenceActivation) {
    let input = activation(operation.input)
    let residual = activation(operation.residual)
    let factor = operation.factor
    let group = input.shape.channels * factor * factor / output.shape.channels
    output.forEachPixel { row, batch, y, x in
      for channel in 0..<output.shape.channels {
        var sum = 0.0
        for member in channel * group..<(channel + 1) * group {
          sum += input.pixelUnshuffled(factor, batch, y, x, member)
        }
        output[row: row, channel] = residual[row: row, channel] + sum / Double(group)
      }
    }
  }
}

extension ReferenceActivation {
  /// Channel `channel` of pixel `(y, x)` of PyTorch's `pixel_shuffle` of this value, every channel of which stands `repeats` times.
  fileprivate func pixelShuffled(
    _ factor: Int, _ batch: Int, _ y: Int, _ x: Int, _ channel: Int, repeats: Int = 1
  ) -> Double {
    let source = (channel * factor + y % factor) * factor + x % factor
    let row = (batch * shape.height + y / factor) * shape.width + x / factor
    return self[row: row, source / repeats]
  }

  /// Channel `channel` of pixel `(y, x)` of PyTorch's `pixel_unshuffle` of this value.
  fileprivate func pixelUnshuffled(
    _ factor: Int, _ batch: Int, _ y: Int, _ x: Int, _ channel: Int
  ) -> Double {
    let (source, offset) = channel.quotientAndRemainder(dividingBy: factor * factor)
    let row =
      (batch * shape.height + y * factor + offset / factor) * shape.width
      + x * factor + offset % factor
    return self[row: row, source]
  }
}
