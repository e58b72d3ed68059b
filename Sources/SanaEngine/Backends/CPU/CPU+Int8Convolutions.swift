internal import CKernels

extension CPUExecutable {
  /// Computes a convolution whose weight was transformed for int8 activations.
  func convolve(
    _ form: sana_convolution_form, _ input: Value, _ weight: Parameter, _ matrix: sana_int8_matrix,
    _ epilogue: sana_epilogue, _ output: Value, _ scratch: UnsafeMutableRawPointer
  ) {
    let size = shape(input)
    let layer = sana_convolution(
      form: form, input: floats(input), batch: size.batch, height: size.height, width: size.width,
      channels: size.channels, weight: matrix, factors: convolutionFactors(weight),
      output: floats(output), outputs: shape(output).channels, epilogue: epilogue)
    let layout = device.scratch(for: form, weight)
    let tiles = size.batch * form.tiles(size.height) * form.tiles(size.width)
    let block = kernels.convolution_int8_block(form, size.channels)
    withUnsafePointer(to: layer) { layer in
      pool.forEach((tiles + block - 1) / block) { index, worker in
        kernels.convolution_int8(
          layer, index * block, min((index + 1) * block, tiles),
          layout.worker(worker, at: scratch))
      }
    }
  }
}

extension sana_convolution_form {
  /// Tiles of two results along a side of the input.
  fileprivate func tiles(_ side: Int) -> Int {
    self == SANA_CONVOLUTION_WINOGRAD ? (side + 1) / 2 : side
  }
}
