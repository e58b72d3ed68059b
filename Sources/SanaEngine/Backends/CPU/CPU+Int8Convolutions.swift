internal import CKernels
internal import SanaGraph

extension CPUExecutable {
  /// Computes a convolution whose weight was transformed for int8 activations.
  /// - Parameters:
  ///   - size: of the output.
  ///   - rows: of the output, whole tiles; all when nil.
  func convolve(
    _ layer: sana_convolution, _ size: Shape, rows: ImageRows? = nil, _ layout: CPUScratch,
    _ scratch: UnsafeMutableRawPointer
  ) {
    let kernels = kernels.convolution(layer.form, layer.channels).pointee
    let tiles =
      rows?.tiles(size, side: kernels.side) ?? ImageRows.tiles(ofAll: size, side: kernels.side)
    // The rows of the last band may have been computed with those of the band before.
    guard !tiles.isEmpty else { return }
    let most = kernels.block(layer.form, layer.channels)
    // As many rounds of tasks as there must be, all threads with as much to do.
    let rounds = (tiles.count + most * pool.size - 1) / (most * pool.size)
    let block = (tiles.count + rounds * pool.size - 1) / (rounds * pool.size)
    withUnsafePointer(to: layer) { layer in
      pool.forEach((tiles.count + block - 1) / block) { index, worker in
        let first = tiles.lowerBound + index * block
        kernels.compute(
          layer, first, min(first + block, tiles.upperBound), layout.worker(worker, at: scratch))
      }
    }
  }
}
