internal import CKernels

extension CPUExecutable {
  func compute(_ block: CPUResidualBlock, _ scratch: UnsafeMutableRawPointer) {
    let size = shape(block.input)
    let hiddenSize = shape(block.second.input)
    let layout = device.scratch(for: block, in: graph)
    let bands = ResidualBands(height: size.height, width: size.width)
    let hidden = scratch.assumingMemoryBound(to: Float.self)
    let sums = hidden + bands.hiddenRows * size.width * hiddenSize.channels
    let input = floats(block.input)
    let output = floats(graph.nodes[block.nodes.upperBound].output)

    for image in 0..<size.batch {
      var held = 0..<0
      for band in bands.all {
        let needed = bands.hidden(band)
        let lineFloats = size.width * hiddenSize.channels
        // What the last band made and this one reads moves to the front.
        hidden.update(
          from: hidden + (needed.lowerBound - held.lowerBound) * lineFloats,
          count: max(held.upperBound - needed.lowerBound, 0) * lineFloats)
        let hiddenLines = Lines(image: image, first: needed.lowerBound, start: hidden)
        convolve(
          block.first, hiddenSize, from: input, to: hiddenLines.origin(hiddenSize),
          rows: ImageRows(image: image, rows: held.upperBound..<needed.upperBound), layout, scratch)
        held = needed
        let sumOrigin = Lines(image: image, first: band.lowerBound, start: sums).origin(size)
        convolve(
          block.second, size, from: hiddenLines.origin(hiddenSize), to: sumOrigin,
          rows: ImageRows(image: image, rows: band), layout, scratch)
        let norm = norm(block.norm, size, input: sumOrigin, output: output, residual: input)
        normalize(norm, ImageRows(image: image, rows: band).positions(size))
      }
    }
  }

  /// Some image rows in memory of their own.
  private struct Lines {
    let image: Int
    /// The row that `start` holds.
    let first: Int
    let start: UnsafeMutablePointer<Float>

    /// Where the first row of the first image would be if all were there; what is not must not be touched.
    func origin(_ size: Shape) -> UnsafeMutablePointer<Float> {
      start - (image * size.height + first) * size.width * size.channels
    }
  }

  private func normalize(_ norm: sana_rms_norm, _ positions: Range<Int>) {
    withUnsafePointer(to: norm) { norm in
      pool.forEachRange(positions.count, minimum: 16) {
        kernels.rms_norm(
          norm, positions.lowerBound + $0.lowerBound, positions.lowerBound + $0.upperBound)
      }
    }
  }
}
