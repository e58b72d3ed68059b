internal import CKernels
internal import SanaGraph

extension CPUExecutable {
  /// The Mix-FFN up to its last product, of int8 activations.
  func feedForward(
    _ chain: CPUChain, _ convolution: DepthwiseConvolution, _ weight: sana_int8_matrix,
    _ output: Value, _ scratch: UnsafeMutableRawPointer
  ) {
    let size = shape(chain.input)
    let layout = device.scratch(for: chain, .int8, size)
    let rows = quantize(
      0..<size.rows, of: chain.input, chain.norm, factors: weight.factors, to: scratch)
    withUnsafePointer(to: rows) { rows in
      withUnsafePointer(to: weight) { weight in
        forEachPiece(chain, convolution, output) { layer, batch, channels, worker in
          kernels.feed_forward(
            layer, rows, weight, batch, channels.lowerBound, channels.upperBound,
            layout.worker(worker, at: scratch))
        }
      }
    }
  }

  /// The same of activations rounded to bf16.
  func feedForward(
    rounding chain: CPUChain, _ convolution: DepthwiseConvolution, _ output: Value,
    _ scratch: UnsafeMutableRawPointer
  ) {
    guard let bf16 = device.bf16FeedForward else {
      preconditionFailure("there are no bf16 instructions")
    }
    let size = shape(chain.input)
    let layout = device.scratch(for: chain, .bf16, size)
    let input = floats(chain.input)
    pool.forEachRange(size.rows, minimum: 16) {
      bf16.round_rows(
        input, size.channels, size.channels, scratch, $0.lowerBound, $0.upperBound)
    }
    withUnsafePointer(to: matrix(chain.linear.weight)) { weight in
      forEachPiece(chain, convolution, output) { layer, batch, channels, worker in
        bf16.compute(
          layer, scratch, weight, batch, channels.lowerBound, channels.upperBound,
          layout.worker(worker, at: scratch))
      }
    }
  }

  /// Calls the body for every batch element and piece of channels, on all threads.
  private func forEachPiece(
    _ chain: CPUChain, _ convolution: DepthwiseConvolution, _ output: Value,
    _ body: (
      _ layer: UnsafePointer<sana_feed_forward>, _ batch: Int, _ channels: Range<Int>,
      _ worker: Int
    ) -> Void
  ) {
    let size = shape(chain.input)
    let channels = shape(output).channels
    let length = kernels.feed_forward_channels
    let pieces = (channels + length - 1) / length
    let layer = sana_feed_forward(
      bias: chain.linear.epilogue.bias.map(vector),
      activation: chain.linear.epilogue.activation.kernelActivation,
      depthwise_weight: vector(convolution.weight), depthwise_bias: convolution.bias.map(vector),
      height: size.height, width: size.width, channels: channels, output: floats(output))
    withUnsafePointer(to: layer) { layer in
      pool.forEach(size.batch * pieces) { index, worker in
        let (batch, piece) = index.quotientAndRemainder(dividingBy: pieces)
        body(layer, batch, piece * length..<min((piece + 1) * length, channels), worker)
      }
    }
  }
}
