internal import CKernels
internal import SanaGraph

extension CPUExecutable {
  func compute(_ operation: RMSNorm, _ output: Value) {
    let size = shape(output)
    let norm = norm(
      operation, size, input: floats(operation.input), output: floats(output),
      residual: operation.residual.map(floats))
    normalize(norm, 0..<size.rows)
  }

  func normalize(_ norm: sana_rms_norm, _ positions: Range<Int>) {
    withUnsafePointer(to: norm) { norm in
      pool.forEachRange(positions.count, minimum: 16) {
        kernels.rms_norm(
          norm, positions.lowerBound + $0.lowerBound, positions.lowerBound + $0.upperBound)
      }
    }
  }

  func norm(
    _ operation: RMSNorm, _ size: Shape, input: UnsafeMutablePointer<Float>,
    output: UnsafeMutablePointer<Float>, residual: UnsafeMutablePointer<Float>?
  ) -> sana_rms_norm {
    let channels = operation.channels ?? 0..<size.channels
    return sana_rms_norm(
      input: input, output: output, stride: size.channels, first: channels.lowerBound,
      channels: channels.count, weight: operation.weight.map(vector),
      weight_offset: operation.weightOffset, bias: operation.bias.map(vector),
      epsilon: operation.epsilon, residual: residual.map { UnsafePointer($0) })
  }

  func compute(_ operation: ModulatedLayerNorm, _ output: Value) {
    normalize(operation, to: floats(output), 0..<shape(output).rows)
  }

  /// Normalizes some positions, counted through the batch.
  /// - Parameter output: of the first position of the batch.
  func normalize(
    _ operation: ModulatedLayerNorm, to output: UnsafeMutablePointer<Float>,
    _ positions: Range<Int>
  ) {
    let norm = layerNorm(operation, shape(operation.input), output: output)
    withUnsafePointer(to: norm) { norm in
      pool.forEachRange(positions.count, minimum: 16) {
        kernels.layer_norm(
          norm, positions.lowerBound + $0.lowerBound, positions.lowerBound + $0.upperBound)
      }
    }
  }

  func layerNorm(
    _ operation: ModulatedLayerNorm, _ size: Shape, output: UnsafeMutablePointer<Float>
  ) -> sana_layer_norm {
    let (shift, shiftStride) = modulation(operation.shift, channels: size.channels)
    let (scale, scaleStride) = modulation(operation.scale, channels: size.channels)
    return sana_layer_norm(
      input: floats(operation.input), output: output, channels: size.channels,
      positions: size.positions, shift: shift, shift_stride: shiftStride, scale: scale,
      scale_stride: scaleStride, epsilon: operation.epsilon)
  }

  func compute(_ operation: DepthwiseConvolution, _ output: Value) {
    let input = shape(operation.input)
    convolve(
      operation, from: floats(operation.input), to: floats(output), 0..<input.batch * input.height)
  }

  /// A depthwise convolution of one place in memory into another.
  /// - Parameter rows: counted through the batch. Only those, and the rows that they read, must be
  ///   in memory.
  func convolve(
    _ operation: DepthwiseConvolution, from input: UnsafePointer<Float>,
    to output: UnsafeMutablePointer<Float>, _ rows: Range<Int>
  ) {
    let size = shape(operation.input)
    let layer = sana_depthwise(
      input: input, output: output, batch: size.batch, height: size.height, width: size.width,
      channels: size.channels, kernel: operation.kernel, weight: vector(operation.weight),
      bias: operation.bias.map(vector), gated: operation.gatedLinearUnit)
    withUnsafePointer(to: layer) { layer in
      pool.forEachRange(rows.count, minimum: 1) {
        kernels.depthwise(
          layer, rows.lowerBound + $0.lowerBound, rows.lowerBound + $0.upperBound)
      }
    }
  }
}
