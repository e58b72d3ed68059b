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
    let size = shape(output)
    pixelUnshuffle(
      floats(operation.input), size, to: floats(output), 0..<size.batch * size.height)
  }

  /// - Parameters:
  ///   - size: of the output.
  ///   - rows: of the output, counted through the batch.
  func pixelUnshuffle(
    _ input: UnsafeMutablePointer<Float>, _ size: Shape, to output: UnsafeMutablePointer<Float>,
    _ rows: Range<Int>
  ) {
    pool.forEachRange(rows.count, minimum: 1) {
      sana_pixel_unshuffle(
        input, output, size.width, size.channels, rows.lowerBound + $0.lowerBound,
        rows.lowerBound + $0.upperBound)
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
    addChannels(
      sana_duplicate_channels, of: input, shape(operation.input).channels, factor: operation.factor,
      size, residual: residual, to: output, rows)
  }

  func compute(_ operation: AverageChannels, _ output: Value) {
    let size = shape(output)
    averageChannels(
      operation, size, from: floats(operation.input), residual: floats(operation.residual),
      to: floats(output), 0..<size.batch * size.height)
  }

  /// - Parameters:
  ///   - size: of the output.
  ///   - rows: of the output, counted through the batch.
  func averageChannels(
    _ operation: AverageChannels, _ size: Shape, from input: UnsafeMutablePointer<Float>,
    residual: UnsafeMutablePointer<Float>, to output: UnsafeMutablePointer<Float>,
    _ rows: Range<Int>
  ) {
    addChannels(
      sana_average_channels, of: input, shape(operation.input).channels, factor: operation.factor,
      size, residual: residual, to: output, rows)
  }

  /// What a kernel makes of rows of the input's channels, added to a residual.
  private func addChannels(
    _ kernel: (
      UnsafePointer<Float>, Int, Int, UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int, Int,
      Int, Int
    ) -> Void,
    of input: UnsafePointer<Float>, _ inputChannels: Int, factor: Int, _ size: Shape,
    residual: UnsafePointer<Float>, to output: UnsafeMutablePointer<Float>, _ rows: Range<Int>
  ) {
    pool.forEachRange(rows.count, minimum: 1) {
      kernel(
        input, inputChannels, factor, residual, output, size.width, size.channels,
        rows.lowerBound + $0.lowerBound, rows.lowerBound + $0.upperBound)
    }
  }
}
