internal import CKernels

extension CPUExecutable {
  /// Computes a convolution whose weight was transformed for int8 activations.
  /// - Parameter tiles: of 2x2 results, counted through rows and batch; all when nil.
  func convolve(
    _ layer: sana_convolution, _ tiles: Range<Int>?, _ layout: CPUScratch,
    _ scratch: UnsafeMutableRawPointer
  ) {
    let all = 0..<layer.batch * layer.form.tiles(layer.height) * layer.form.tiles(layer.width)
    let tiles = tiles ?? all
    let block = kernels.convolution_int8_block(layer.form, layer.channels)
    withUnsafePointer(to: layer) { layer in
      pool.forEach((tiles.count + block - 1) / block) { index, worker in
        let first = tiles.lowerBound + index * block
        kernels.convolution_int8(
          layer, first, min(first + block, tiles.upperBound), layout.worker(worker, at: scratch))
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
