internal import CKernels
internal import SanaGraph

extension CPUExecutable {
  /// - Returns: how long each layer took.
  /// - Throws: when the run is cancelled.
  func compute(_ cascade: CPUCascade, _ scratch: UnsafeMutableRawPointer) throws -> [Duration] {
    let layout = device.scratch(for: cascade, in: graph)
    let clock = ContinuousClock()
    var durations = [Duration](repeating: .zero, count: cascade.layers.count)
    for image in 0..<shape(cascade.input).batch {
      var rows = CascadeRows(self, cascade, image: image, at: scratch)
      for band in cascade.bands.all {
        try context.cancellation?.check()
        context.onProgress?()
        for (index, part) in band.enumerated() {
          durations[index] += clock.measure {
            rows.hold(part.held, of: index, pool)
            compute(
              cascade.layers[index], rows, index,
              ImageRows(image: image, rows: part.rows), layout, scratch)
          }
        }
        if cascade.handsOverRows, let onRows = context.onRows, let last = band.last,
          !last.rows.isEmpty
        {
          // A loop that the cancellation ended has left numbers behind that mean nothing.
          try context.cancellation?.check()
          try onRows(last.rows, rows.result(last.rows))
        }
      }
    }
    return durations
  }

  private func compute(
    _ layer: CPUCascade.Layer, _ places: CascadeRows, _ index: Int, _ rows: ImageRows,
    _ layout: CPUScratch, _ scratch: UnsafeMutableRawPointer
  ) {
    guard !rows.rows.isEmpty else { return }
    let size = shape(graph.nodes[layer.nodes.upperBound].output)
    let (made, result) = (places.made(index), places.result(index))
    let input = places[layer.source.input]
    switch layer.source {
    case .convolution(let convolution):
      convolve(convolution, size, from: input, to: made, rows: rows, layout, scratch)
    case .shuffled(let convolution, let shuffle):
      let small = shape(shuffle.input)
      let smallRows = ImageRows(
        image: rows.image, rows: rows.rows.lowerBound / 2..<rows.rows.upperBound / 2)
      let results =
        places.shuffled - smallRows.positions(small).lowerBound * small.channels
      convolve(convolution, small, from: input, to: results, rows: smallRows, layout, scratch)
      pixelShuffle(results, size, to: made, rows.inBatch(size))
    case .unshuffled(let convolution, let unshuffle):
      let large = shape(unshuffle.input)
      let largeRows = ImageRows(
        image: rows.image, rows: 2 * rows.rows.lowerBound..<2 * rows.rows.upperBound)
      let results =
        places.shuffled - largeRows.positions(large).lowerBound * large.channels
      convolve(convolution, large, from: input, to: results, rows: largeRows, layout, scratch)
      pixelUnshuffle(results, size, to: made, rows.inBatch(size))
    case .upsampling(let convolution, let shortcut):
      upsample(
        convolution, size, shortcut: shortcut != nil, from: input, to: made, rows: rows, layout,
        scratch)
    }
    for (number, finish) in layer.finishes.enumerated() {
      let target = number == layer.finishes.count - 1 ? result : made
      let other = finish.other.map { places[$0.value] }
      compute(finish, size, made, other, to: target, rows.positions(size))
    }
  }

  private func compute(
    _ finish: CPUCascade.Finish, _ size: Shape, _ input: UnsafeMutablePointer<Float>,
    _ other: UnsafeMutablePointer<Float>?, to output: UnsafeMutablePointer<Float>,
    _ positions: Range<Int>
  ) {
    switch finish {
    case .norm(let operation):
      normalize(
        norm(operation, size, input: input, output: output, residual: other), positions)
    case .activation(let operation):
      activate(
        operation.activation, input, output,
        positions.lowerBound * size.channels..<positions.upperBound * size.channels)
    case .shortcut(let operation):
      guard let other else { return }
      duplicateChannels(
        operation, size, from: other, residual: input, to: output,
        positions.lowerBound / size.width..<positions.upperBound / size.width)
    case .averagingShortcut(let operation):
      guard let other else { return }
      averageChannels(
        operation, size, from: other, residual: input, to: output,
        positions.lowerBound / size.width..<positions.upperBound / size.width)
    }
  }
}

/// Where the rows of a cascade are while it computes one image.
///
/// Every place is given as where the first row of the batch would be if all were in memory; what is not must not be touched.
private struct CascadeRows {
  private var lines: [ImageLines]
  private let layers: [Value: Int]
  private let input: UnsafeMutablePointer<Float>
  /// None where rows are handed over.
  private let output: UnsafeMutablePointer<Float>?
  /// Where a convolution's results are before they are shuffled or unshuffled: the first row of
  /// those that are made at a time.
  let shuffled: UnsafeMutablePointer<Float>
  private let keepsLast: Bool
  /// Of the last layer.
  private let rowFloats: Int

  init(
    _ executable: CPUExecutable, _ cascade: CPUCascade, image: Int,
    at scratch: UnsafeMutableRawPointer
  ) {
    let outputs = cascade.layers.map { executable.graph.nodes[$0.nodes.upperBound].output }
    input = executable.floats(cascade.input)
    output = cascade.handsOverRows ? nil : executable.floats(outputs[outputs.count - 1])
    rowFloats = { $0.width * $0.channels }(executable.shape(outputs[outputs.count - 1]))
    keepsLast = cascade.lineFloats.last != 0
    layers = Dictionary(uniqueKeysWithValues: outputs.enumerated().map { ($1, $0) })
    lines = []
    var next = scratch.assumingMemoryBound(to: Float.self)
    for (value, count) in zip(outputs, cascade.lineFloats) {
      lines.append(ImageLines(at: next, image: image, of: executable.shape(value)))
      next += count
    }
    shuffled = next
  }

  mutating func hold(_ rows: Range<Int>, of layer: Int, _ pool: ThreadPool) {
    lines[layer].hold(rows, pool)
  }

  /// Where a value is that layers read: the cascade's input, or what a layer has made.
  subscript(value: Value) -> UnsafeMutablePointer<Float> {
    layers[value].map { lines[$0].origin } ?? input
  }

  /// Where a layer's rows are made.
  func made(_ layer: Int) -> UnsafeMutablePointer<Float> {
    guard layer == lines.count - 1, !keepsLast, let output else { return lines[layer].origin }
    return output
  }

  /// Where they are when they are finished.
  func result(_ layer: Int) -> UnsafeMutablePointer<Float> {
    guard layer == lines.count - 1, let output else { return lines[layer].origin }
    return output
  }

  /// Finished rows of the last layer, which are held.
  func result(_ rows: Range<Int>) -> UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(
      start: lines[lines.count - 1].origin + rows.lowerBound * rowFloats,
      count: rows.count * rowFloats)
  }
}
