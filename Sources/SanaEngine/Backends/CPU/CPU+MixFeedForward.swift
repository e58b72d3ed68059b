internal import SanaGraph
internal import CKernels

extension CPUExecutable {
  /// - Returns: how long each part took.
  /// - Throws: when the run is cancelled.
  func compute(
    _ step: CPUMixFeedForward, _ scratch: UnsafeMutableRawPointer
  ) throws -> [Duration] {
    let clock = ContinuousClock()
    var durations = [Duration](repeating: .zero, count: step.parts.count)
    let size = shape(step.input)
    let hidden = step.ending.projection.weight.shape[1]
    let ending = BandEnding(
      nodes: step.ending,
      output: graph.nodes[step.nodes.upperBound].output,
      projected: (scratch + step.layout.projected).assumingMemoryBound(to: Float.self))
    for image in 0..<size.batch {
      var expanded = ImageLines(
        at: (scratch + step.layout.expanded).assumingMemoryBound(to: Float.self), image: image,
        of: shape(step.gating.input))
      for rows in step.bands {
        try beginBand()
        let band = ImageRows(image: image, rows: rows)
        let positions = band.positions(size)
        let gated = (scratch + step.layout.gated).assumingMemoryBound(to: Float.self)
        durations[0] += clock.measure {
          gate(step, band, &expanded, to: gated - positions.lowerBound * hidden, scratch)
        }
        durations[1] += clock.measure {
          project(
            ending, positions, image: image, from: gated, step.layout.projection, scratch)
        }
        let time = clock.measure { normalize(ending, positions) }
        if step.ending.norm != nil { durations[2] += time }
      }
    }
    return durations
  }

  /// The gated hidden activations of a band.
  /// - Parameters:
  ///   - expanded: what a product like any other has made for the bands before.
  ///   - gated: where those of the first position of the batch would be.
  private func gate(
    _ step: CPUMixFeedForward, _ band: ImageRows, _ expanded: inout ImageLines,
    to gated: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutableRawPointer
  ) {
    let size = shape(step.input)
    let inImage = device.expandedPositions(step.kind, band.rows, size)
    let first = band.image * size.positions
    let positions = first + inImage.lowerBound..<first + inImage.upperBound
    switch step.kind {
    case .int8:
      guard let weight = int8Matrix(step.expansion.weight) else {
        preconditionFailure("\(step.expansion.weight.name) is not packed")
      }
      let rows = quantize(
        positions, of: step.input, step.norm, weight.coding, to: scratch)
      withUnsafePointer(to: rows) { rows in
        withUnsafePointer(to: weight) { weight in
          forEachPiece(step, gated, scratch) { layer, channels, hidden, area in
            kernels.feed_forward(
              layer, rows, weight, band.image, band.rows.lowerBound, band.rows.upperBound,
              channels.lowerBound, channels.upperBound, hidden, area)
          }
        }
      }
    case .bf16:
      guard let bf16 = device.bf16FeedForward else {
        preconditionFailure("there are no bf16 instructions")
      }
      let input = expansionInput(step, positions, scratch)
      let rows = scratch - positions.lowerBound * bf16.row_bytes(size.channels)
      pool.forEachRange(positions.count, minimum: 16) {
        bf16.round_rows(
          input, size.channels, size.channels, rows, positions.lowerBound + $0.lowerBound,
          positions.lowerBound + $0.upperBound)
      }
      withUnsafePointer(to: matrix(step.expansion.weight)) { weight in
        forEachPiece(step, gated, scratch) { layer, channels, hidden, area in
          bf16.compute(
            layer, rows, weight, band.image, band.rows.lowerBound, band.rows.upperBound,
            channels.lowerBound, channels.upperBound, hidden, area)
        }
      }
    case .product:
      let read =
        max(band.rows.lowerBound - 1, 0)..<min(band.rows.upperBound + 1, size.height)
      expanded.hold(read, pool)
      if !positions.isEmpty {
        let input = expansionInput(step, positions, scratch)
        multiply(
          step.expansion, rows: positions.count,
          from: input + positions.lowerBound * size.channels,
          to: expanded.origin + positions.lowerBound * step.expansion.weight.shape[0],
          residual: nil, step.layout.expansion, scratch)
      }
      convolve(step.gating, from: expanded.origin, to: gated, band.inBatch(size))
    }
  }

  /// What the first product multiplies, where the first position of the batch would be.
  private func expansionInput(
    _ step: CPUMixFeedForward, _ positions: Range<Int>, _ scratch: UnsafeMutableRawPointer
  ) -> UnsafePointer<Float> {
    guard let norm = step.norm else { return UnsafePointer(floats(step.input)) }
    let normalized =
      (scratch + step.layout.normalized).assumingMemoryBound(to: Float.self)
      - positions.lowerBound * shape(step.input).channels
    normalize(norm, to: normalized, positions)
    return UnsafePointer(normalized)
  }

  /// Calls the body for every piece of hidden channels, on all threads.
  /// - Parameter gated: where the first position of the batch would be.
  private func forEachPiece(
    _ step: CPUMixFeedForward, _ gated: UnsafeMutablePointer<Float>,
    _ scratch: UnsafeMutableRawPointer,
    _ body: (
      _ layer: UnsafePointer<sana_feed_forward>, _ channels: Range<Int>,
      _ hidden: UnsafeMutableRawPointer, _ scratch: UnsafeMutableRawPointer
    ) -> Void
  ) {
    let size = shape(step.input)
    let channels = step.ending.projection.weight.shape[1]
    let length = kernels.feed_forward_channels
    let hiddenBytes = kernels.feed_forward_hidden_bytes(size.width)
    let layer = sana_feed_forward(
      bias: step.expansion.epilogue.bias.map(vector),
      activation: step.expansion.epilogue.activation.kernelActivation,
      depthwise_weight: vector(step.gating.weight),
      depthwise_bias: step.gating.bias.map(vector), height: size.height, width: size.width,
      channels: channels, output: gated)
    withUnsafePointer(to: layer) { layer in
      pool.forEach(device.hiddenPieces(channels)) { piece, worker in
        let area = step.layout.expansion.worker(worker, at: scratch)
        let kept = step.layout.hidden.map { scratch + $0 + piece * hiddenBytes }
        body(
          layer, piece * length..<min((piece + 1) * length, channels), kept ?? area,
          kept == nil ? area + hiddenBytes : area)
      }
    }
  }
}
