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
    let size = shape(output)
    let norm = layerNorm(operation, size, output: floats(output))
    withUnsafePointer(to: norm) { norm in
      pool.forEachRange(size.rows, minimum: 16) {
        kernels.layer_norm(norm, $0.lowerBound, $0.upperBound)
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
    let layer = sana_depthwise(
      input: floats(operation.input), output: floats(output), batch: input.batch,
      height: input.height, width: input.width, channels: input.channels,
      kernel: operation.kernel, weight: vector(operation.weight),
      bias: operation.bias.map(vector), gated: operation.gatedLinearUnit)
    withUnsafePointer(to: layer) { layer in
      pool.forEachRange(input.batch * input.height, minimum: 1) {
        kernels.depthwise(layer, $0.lowerBound, $0.upperBound)
      }
    }
  }
}
