internal import SanaGraph
internal import CKernels

extension CPUExecutable {
  /// - Returns: how long each part took.
  /// - Throws: when the run is cancelled.
  func compute(
    _ step: CPULinearAttention, _ scratch: UnsafeMutableRawPointer
  ) throws -> [Duration] {
    let clock = ContinuousClock()
    // The product, attention, the last product, what follows it.
    var durations = [Duration](repeating: .zero, count: 4)
    let attended = (scratch + step.layout.attended).assumingMemoryBound(to: Float.self)
    for image in 0..<shape(step.input).batch {
      var codes: sana_int8_rows?
      var rows = productRows(step, image, scratch, channels: (step.isOneBand ? 3 : 2) * step.width)
      for band in step.sums.all {
        try beginBand()
        durations[0] += clock.measure {
          if step.isFused {
            codes = quantize(step, image, band, scratch)
          } else {
            multiply(step, image, band, &rows, step.isOneBand ? .all : .keysAndValues, scratch)
          }
        }
        durations[1] += clock.measure {
          if let codes {
            sum(step, image, band, codes, scratch)
          } else {
            sum(
              step, image, band,
              places(step, rows, holds: step.isOneBand ? .all : .keysAndValues), scratch)
          }
        }
      }
      if !step.isOneBand {
        rows = productRows(step, image, scratch, channels: step.width)
      }
      for band in step.results.all {
        try beginBand()
        if !step.isOneBand {
          durations[0] += clock.measure {
            if step.isFused {
              codes = quantize(step, image, band, scratch)
            } else {
              multiply(step, image, band, &rows, .queries, scratch)
            }
          }
        }
        durations[1] += clock.measure {
          if let codes {
            apply(step, image, band, codes, to: attended, scratch)
          } else {
            apply(
              step, image, band, places(step, rows, holds: step.isOneBand ? .all : .queries),
              to: attended, scratch)
          }
        }
        finish(step, image, band, attended, &durations, scratch)
      }
    }
    if step.isFused { durations[..<2] = [durations[0] + durations[1]] }
    return Array(durations.prefix(step.parts.count))
  }

  /// - Throws: when the run is cancelled.
  func beginBand() throws {
    try context.cancellation?.check()
    context.onProgress?()
  }

  // MARK: From a product's rows in memory

  /// What is held of the product's rows.
  private enum Held {
    case queries
    case keysAndValues
    case all
  }

  private func productRows(
    _ step: CPULinearAttention, _ image: Int, _ scratch: UnsafeMutableRawPointer, channels: Int
  ) -> ImageLines {
    ImageLines(
      at: (scratch + step.layout.rows).assumingMemoryBound(to: Float.self), image: image,
      of: shape(step.input), channels: channels)
  }

  /// Output channels of the product, ranges of one length.
  private func columns(_ step: CPULinearAttention, _ held: Held) -> [Range<Int>] {
    let (width, dimension) = (step.width, step.attention.headDimension)
    if held == .all { return [0..<3 * width] }
    return switch step.attention.layout {
    case .blocks: [held == .queries ? 0..<width : width..<3 * width]
    case .triples:
      (0..<step.heads).map { head in
        let first = 3 * head * dimension
        return held == .queries
          ? first..<first + dimension : first + dimension..<first + 3 * dimension
      }
    }
  }

  /// Multiplies the rows of a band, and normalizes what is to be.
  private func multiply(
    _ step: CPULinearAttention, _ image: Int, _ band: AttentionBands.Band,
    _ rows: inout ImageLines, _ held: Held, _ scratch: UnsafeMutableRawPointer
  ) {
    let size = shape(step.input)
    rows.hold(band.held, pool)
    guard !band.multiplied.isEmpty else { return }
    let positions = ImageRows(image: image, rows: band.multiplied).positions(size)
    var input = UnsafePointer(floats(step.input))
    if let norm = step.norm {
      let normalized =
        (scratch + step.layout.normalized).assumingMemoryBound(to: Float.self)
        - positions.lowerBound * size.channels
      normalize(norm, to: normalized, positions)
      input = UnsafePointer(normalized)
    }
    let columns = columns(step, held)
    let stride = columns.reduce(0) { $0 + $1.count }
    multiply(
      step.product, columns: columns, rows: positions.count,
      from: input + positions.lowerBound * size.channels,
      to: rows.origin + positions.lowerBound * stride, step.layout.product, scratch)
    guard let norms = step.norms else { return }
    func normalizeChannels(_ norm: RMSNorm, from first: Int) {
      var kernelNorm = self.norm(
        norm, size.with(channels: stride), input: rows.origin, output: rows.origin, residual: nil)
      kernelNorm.first = first
      normalize(kernelNorm, positions)
    }
    if held != .keysAndValues { normalizeChannels(norms.query, from: 0) }
    if held != .queries {
      normalizeChannels(norms.key, from: held == .all ? step.width : 0)
    }
  }

  /// Where queries, keys and values are: those of the first head at the first position of the
  /// batch, and how far others are apart.
  private struct Places {
    let query: UnsafePointer<Float>
    let queryStride: Int
    let queryHeadStride: Int
    let key: UnsafePointer<Float>
    let value: UnsafePointer<Float>
    let keyStride: Int
    let keyHeadStride: Int
  }

  private func places(_ step: CPULinearAttention, _ rows: ImageLines, holds held: Held) -> Places {
    let (width, dimension) = (step.width, step.attention.headDimension)
    let start = UnsafePointer(rows.origin)
    let isInBlocks = step.attention.layout == .blocks
    let all = held == .all
    let key = start + (all ? (isInBlocks ? width : dimension) : 0)
    return Places(
      query: start, queryStride: all ? 3 * width : width,
      queryHeadStride: all && !isInBlocks ? 3 * dimension : dimension, key: key,
      value: key + (isInBlocks ? width : dimension), keyStride: (all ? 3 : 2) * width,
      keyHeadStride: isInBlocks ? dimension : (all ? 3 : 2) * dimension)
  }

  private func sum(
    _ step: CPULinearAttention, _ image: Int, _ band: AttentionBands.Band, _ places: Places,
    _ scratch: UnsafeMutableRawPointer
  ) {
    let range = band.attended
    guard !range.isEmpty else { return }
    // What attends writes nothing yet.
    let output = (scratch + step.layout.attended).assumingMemoryBound(to: Float.self)
    if step.scales.isEmpty {
      forEachHead(step, scratch) { head, state, area in
        var attention = self.head(step, image, head, places, to: output)
        kernels.sum_linear_attention(&attention, range.lowerBound, range.upperBound, state, area)
      }
    } else {
      withScales(step, places, to: output) { attention in
        forEachHead(step, scratch) { head, state, area in
          kernels.sum_multiscale_attention(
            attention, image, head, range.lowerBound, range.upperBound, state, area)
        }
      }
    }
  }

  /// - Parameter output: of the band.
  private func apply(
    _ step: CPULinearAttention, _ image: Int, _ band: AttentionBands.Band, _ places: Places,
    to output: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutableRawPointer
  ) {
    let range = band.attended
    guard !range.isEmpty else { return }
    let stride = step.ending.projection.weight.shape[1]
    if step.scales.isEmpty {
      forEachHead(step, scratch) { head, state, area in
        var attention = self.head(
          step, image, head, places, to: output - range.lowerBound * stride)
        kernels.apply_linear_attention(&attention, range.lowerBound, range.upperBound, state, area)
      }
    } else {
      let first = image * shape(step.input).positions + range.lowerBound
      withScales(step, places, to: output - first * stride) { attention in
        forEachHead(step, scratch) { head, state, area in
          kernels.apply_multiscale_attention(
            attention, image, head, range.lowerBound, range.upperBound, state, area)
        }
      }
    }
  }

  /// - Parameter output: of the image's first position.
  private func head(
    _ step: CPULinearAttention, _ image: Int, _ head: Int, _ places: Places,
    to output: UnsafeMutablePointer<Float>
  ) -> sana_linear_attention {
    let size = shape(step.input)
    let first = image * size.positions
    let key = first * places.keyStride + head * places.keyHeadStride
    let dimension = step.attention.headDimension
    return sana_linear_attention(
      query: places.query + first * places.queryStride + head * places.queryHeadStride,
      query_stride: places.queryStride, key: places.key + key, value: places.value + key,
      key_stride: places.keyStride, output: output + head * dimension, output_stride: step.width,
      positions: size.positions, dimension: dimension)
  }

  /// - Parameter output: of the first position of the batch.
  private func withScales(
    _ step: CPULinearAttention, _ places: Places, to output: UnsafeMutablePointer<Float>,
    _ body: (UnsafePointer<sana_multiscale_attention>) -> Void
  ) {
    let size = shape(step.input)
    let scales = step.scales.map {
      sana_gathering(
        kernel: $0.gathering.kernel, weight: vector($0.gathering.weight),
        projection: matrix($0.projection.weight))
    }
    scales.withUnsafeBufferPointer { scales in
      guard let start = scales.baseAddress else { return }
      let attention = sana_multiscale_attention(
        query: places.query, query_stride: places.queryStride,
        query_head_stride: places.queryHeadStride, key_value: places.key,
        key_value_stride: places.keyStride, key_value_head_stride: places.keyHeadStride,
        height: size.height, width: size.width, heads: step.heads,
        dimension: step.attention.headDimension, scales: start, scale_count: scales.count,
        output: output)
      withUnsafePointer(to: attention, body)
    }
  }

  /// Calls the body for every head, on all threads, with the head's state.
  private func forEachHead(
    _ step: CPULinearAttention, _ scratch: UnsafeMutableRawPointer,
    _ body: (
      _ head: Int, _ state: UnsafeMutablePointer<Float>, _ area: UnsafeMutablePointer<Float>
    ) -> Void
  ) {
    let states = (scratch + step.layout.states).assumingMemoryBound(to: Float.self)
    let dimension = step.attention.headDimension
    let stateFloats =
      step.scales.isEmpty
      ? kernels.relu_state_count(dimension)
      : kernels.multiscale_state_count(dimension, step.scales.count)
    pool.forEach(step.heads) { head, worker in
      body(
        head, states + head * stateFloats,
        step.layout.attention.worker(worker, at: scratch).assumingMemoryBound(to: Float.self))
    }
  }

  // MARK: To the end

  /// The last product of a band, and what follows it.
  private func finish(
    _ step: CPULinearAttention, _ image: Int, _ band: AttentionBands.Band,
    _ attended: UnsafePointer<Float>, _ durations: inout [Duration],
    _ scratch: UnsafeMutableRawPointer
  ) {
    guard !band.attended.isEmpty else { return }
    let clock = ContinuousClock()
    let first = image * shape(step.input).positions
    let positions = first + band.attended.lowerBound..<first + band.attended.upperBound
    let ending = BandEnding(
      nodes: step.ending,
      output: graph.nodes[step.nodes.upperBound].output,
      projected: (scratch + step.layout.projected).assumingMemoryBound(to: Float.self))
    durations[2] += clock.measure {
      project(ending, positions, image: image, from: attended, step.layout.projection, scratch)
    }
    durations[3] += clock.measure { normalize(ending, positions) }
  }
}
