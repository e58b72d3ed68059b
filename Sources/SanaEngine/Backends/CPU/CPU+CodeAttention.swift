internal import CKernels
internal import SanaGraph

/// Attention by a kernel that goes on from the int8 codes of the product's input.
extension CPUExecutable {
  /// The codes of the positions of a band that attend.
  func quantize(
    _ step: CPULinearAttention, _ image: Int, _ band: AttentionBands.Band,
    _ scratch: UnsafeMutableRawPointer
  ) -> sana_int8_rows {
    let first = image * shape(step.input).positions
    return quantize(
      first + band.attended.lowerBound..<first + band.attended.upperBound, of: step.input,
      step.norm, packedWeight(step).coding, to: scratch)
  }

  private func packedWeight(_ step: CPULinearAttention) -> sana_int8_matrix {
    guard let weight = int8Matrix(step.product.weight) else {
      preconditionFailure("\(step.product.weight.name) is not packed")
    }
    return weight
  }

  /// Adds a band to the sums.
  func sum(
    _ step: CPULinearAttention, _ image: Int, _ band: AttentionBands.Band,
    _ codes: sana_int8_rows, _ scratch: UnsafeMutableRawPointer
  ) {
    let range = band.attended
    guard !range.isEmpty else { return }
    let keys = step.norms.map { normalizedKeys(step, $0.key, image, range, codes, scratch) }
    let output = (scratch + step.layout.attended).assumingMemoryBound(to: Float.self)
    forEachPiece(step, codes, keys: keys, to: output, scratch) { attention, heads, state, area in
      kernels.sum_relu_attention_int8(
        attention, image, heads.lowerBound, heads.upperBound, range.lowerBound, range.upperBound,
        state, area)
    }
  }

  /// What the queries of a band make of the finished sums.
  /// - Parameter output: of the band.
  func apply(
    _ step: CPULinearAttention, _ image: Int, _ band: AttentionBands.Band,
    _ codes: sana_int8_rows, to output: UnsafeMutablePointer<Float>,
    _ scratch: UnsafeMutableRawPointer
  ) {
    let range = band.attended
    let first = image * shape(step.input).positions + range.lowerBound
    forEachPiece(step, codes, keys: nil, to: output - first * step.width, scratch) {
      attention, heads, state, area in
      kernels.apply_relu_attention_int8(
        attention, image, heads.lowerBound, heads.upperBound, range.lowerBound, range.upperBound,
        state, area)
    }
  }

  /// Calls the body for some heads at a time, on all threads, with their state.
  /// - Parameter output: of the first position of the batch.
  private func forEachPiece(
    _ step: CPULinearAttention, _ codes: sana_int8_rows, keys: UnsafePointer<Float>?,
    to output: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutableRawPointer,
    _ body: (
      _ attention: UnsafePointer<sana_int8_relu_attention>, _ heads: Range<Int>,
      _ state: UnsafeMutablePointer<Float>, _ area: UnsafeMutablePointer<Float>
    ) -> Void
  ) {
    let states = (scratch + step.layout.states).assumingMemoryBound(to: Float.self)
    let (heads, length) = (step.heads, CPUDevice.headsOfTask)
    let dimension = step.attention.headDimension
    withUnsafePointer(to: codes) { codes in
      withUnsafePointer(to: packedWeight(step)) { weight in
        let attention = sana_int8_relu_attention(
          rows: codes, weights: weight, heads: heads, dimension: dimension,
          positions: shape(step.input).positions,
          query_weight: step.norms?.query.weight.map(vector), keys: keys, output: output)
        withUnsafePointer(to: attention) { attention in
          pool.forEach((heads + length - 1) / length) { piece, worker in
            let head = piece * length
            body(
              attention, head..<min(head + length, heads),
              states + head * kernels.relu_state_count(dimension),
              step.layout.attention.worker(worker, at: scratch)
                .assumingMemoryBound(to: Float.self))
          }
        }
      }
    }
  }

  /// The keys of a band's positions, which are multiplied for it.
  /// - Returns: where those of the first position of the batch would be.
  private func normalizedKeys(
    _ step: CPULinearAttention, _ operation: RMSNorm, _ image: Int, _ range: Range<Int>,
    _ codes: sana_int8_rows, _ scratch: UnsafeMutableRawPointer
  ) -> UnsafePointer<Float> {
    let size = shape(step.input)
    let (width, first) = (step.width, image * size.positions)
    let positions = first + range.lowerBound..<first + range.upperBound
    let keys =
      (scratch + step.layout.rows).assumingMemoryBound(to: Float.self)
      - positions.lowerBound * width
    // The product counts its outputs from the first query on, and its rows through the batch.
    let product = product(
      .tokens(batch: 1, count: size.rows, channels: size.channels),
      .tokens(batch: 1, count: size.rows, channels: width), from: keys, to: keys - width, nil,
      sana_epilogue())
    multiply(
      product, packedWeight(step), codes, positions, columns: width..<2 * width,
      step.layout.product, scratch)
    var norm = norm(
      operation, size.with(channels: width), input: keys, output: keys, residual: nil)
    norm.first = 0
    normalize(norm, positions)
    return UnsafePointer(keys)
  }
}
