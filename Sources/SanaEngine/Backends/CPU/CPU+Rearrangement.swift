internal import CKernels
internal import SanaGraph

extension CPUExecutable {
  func compute(_ operation: ConcatenateChannels, _ output: Value) {
    let size = shape(output)
    var first = 0
    for part in operation.parts {
      let channels = shape(part).channels
      let (source, target) = (floats(part), floats(output) + first)
      pool.forEachRange(size.rows, minimum: 64) {
        for row in $0 {
          (target + row * size.channels).update(from: source + row * channels, count: channels)
        }
      }
      first += channels
    }
  }

  func compute(_ operation: PixelShuffle, _ output: Value) {
    let size = shape(output)
    pixelShuffle(
      floats(operation.input), size, to: floats(output), 0..<size.batch * size.height)
  }

  /// - Parameters:
  ///   - size: of the output.
  ///   - rows: of the output, counted through the batch.
  func pixelShuffle(
    _ input: UnsafeMutablePointer<Float>, _ size: Shape, to output: UnsafeMutablePointer<Float>,
    _ rows: Range<Int>
  ) {
    pool.forEachRange(rows.count, minimum: 1) {
      sana_pixel_shuffle(
        input, output, size.width, size.channels, rows.lowerBound + $0.lowerBound,
        rows.lowerBound + $0.upperBound)
    }
  }

  func compute(_ operation: PixelUnshuffle, _ output: Value) {
    let (input, target) = (floats(operation.input), floats(output))
    forEachImageRow(output) { size, rows in
      sana_pixel_unshuffle(
        input, target, size.width, size.channels, rows.lowerBound, rows.upperBound)
    }
  }

  func compute(_ operation: DuplicateChannels, _ output: Value) {
    let size = shape(output)
    duplicateChannels(
      operation, size, from: floats(operation.input), residual: floats(operation.residual),
      to: floats(output), 0..<size.batch * size.height)
  }

  /// - Parameters:
  ///   - size: of the output.
  ///   - rows: of the output, counted through the batch.
  func duplicateChannels(
    _ operation: DuplicateChannels, _ size: Shape, from input: UnsafeMutablePointer<Float>,
    residual: UnsafeMutablePointer<Float>, to output: UnsafeMutablePointer<Float>,
    _ rows: Range<Int>
  ) {
    let inputChannels = shape(operation.input).channels
    pool.forEachRange(rows.count, minimum: 1) {
      sana_duplicate_channels(
        input, inputChannels, operation.factor, residual, output, size.width, size.channels,
        rows.lowerBound + $0.lowerBound, rows.lowerBound + $0.upperBound)
    }
  }

  func compute(_ operation: AverageChannels, _ output: Value) {
    let (input, residual, target) = (
      floats(operation.input), floats(operation.residual), floats(output)
    )
    let inputChannels = shape(operation.input).channels
    forEachImageRow(output) { size, rows in
      sana_average_channels(
        input, inputChannels, operation.factor, residual, target, size.width, size.channels,
        rows.lowerBound, rows.upperBound)
    }
  }

  /// Cuts the image rows of all batch elements into ranges.
  private func forEachImageRow(
    _ output: Value, _ body: (_ size: Shape, _ rows: Range<Int>) -> Void
  ) {
    let size = shape(output)
    pool.forEachRange(size.batch * size.height, minimum: 1) { body(size, $0) }
  }
}
