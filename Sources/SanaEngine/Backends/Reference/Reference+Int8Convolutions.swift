internal import SanaGraph

extension ReferenceExecutable {
  /// The definition of a convolution with int8 activations. Of each patch, the channels of a point
  /// are quantized with a scale of their own, as the rows of a linear layer are; of the kernels,
  /// the input channels of an output channel's point. Before that, the channels of patches are
  /// multiplied by the factors of the weight's input.
  func computeInt8(
    _ transform: PatchTransform, _ input: ReferenceActivation, _ weight: ReferenceWeight.Coded,
    _ epilogue: ReferenceEpilogue, _ output: ReferenceActivation
  ) {
    let factors = weight.factors
    let outputs = output.shape.channels
    let kernels = (0..<outputs).map {
      quantizedKernel(transform, weight.values, output: $0, of: outputs, channels: factors.count)
    }
    let size = input.shape
    for batch in 0..<size.batch {
      for y in Swift.stride(from: 0, to: size.height, by: transform.step) {
        for x in Swift.stride(from: 0, to: size.width, by: transform.step) {
          let patch = quantizedPatch(transform, input, factors, batch, y, x)
          let first = transform.results / transform.step
          for channel in 0..<output.shape.channels {
            let sums = (0..<transform.points).map { point in
              dot(patch[point], 0, kernels[channel][point], 0, count: size.channels)
            }
            for (index, sum) in transform.results(sums).enumerated() {
              let (row, column) = index.quotientAndRemainder(dividingBy: transform.results)
              guard let place = output.row(batch, y * first + row, x * first + column) else {
                continue
              }
              output[row: place, channel] = epilogue.apply(sum, place, batch, channel)
            }
          }
        }
      }
    }
  }

  /// What the codes of a patch stand for, `[point][channel]`.
  private func quantizedPatch(
    _ transform: PatchTransform, _ input: ReferenceActivation, _ factors: [Float], _ batch: Int,
    _ y: Int, _ x: Int
  ) -> [[Double]] {
    let side = transform.side
    let channels = (0..<input.shape.channels).map { channel in
      transform.patchPoints(
        (0..<side * side).map { index in
          Float(input[batch, y - 1 + index / side, x - 1 + index % side, channel] ?? 0)
        }
      ).map { $0 * factors[channel] }
    }
    let largest = transform.largestCode(channels: channels.count)
    return (0..<transform.points).map { point in
      Self.quantizedPerToken(channels.map { Double($0[point]) }, largest: largest)
    }
  }

  /// What the codes of one output channel's kernel stand for, `[point][channel]`.
  private func quantizedKernel(
    _ transform: PatchTransform, _ weight: [Double], output: Int, of outputs: Int, channels: Int
  ) -> [[Double]] {
    let points = (0..<channels).map { channel in
      switch transform {
      case .winograd(let tile):
        PatchTransform.winogradKernelPoints(
          tile,
          (0..<9).map { Float(weight[(output * 9 + $0) * channels + channel]) })
      case .upsampling:
        PatchTransform.upsamplingKernelPoints(
          (0..<16).map { index in
            let (phase, tap) = index.quotientAndRemainder(dividingBy: 4)
            return Float(
              weight[((phase * outputs + output) * 4 + tap) * channels + channel])
          })
      }
    }
    return (0..<transform.points).map { point in
      let values = points.map { $0[point] }
      switch transform {
      case .winograd(.fourByFour):
        let largest = transform.largestCode(channels: channels)
        return Self.quantizedPerToken(values.map(Double.init), largest: largest)
      case .winograd(.twoByTwo), .upsampling:
        return Self.quantizedPerChannel(values)
      }
    }
  }
}
