internal import SanaGraph
internal import CKernels

/// Working memory of a `CPULinearAttention`: offsets of its areas.
struct LinearAttentionLayout {
  /// Of the first product, in front of everything; where a kernel goes on from its codes, of both.
  let product: CPUScratch
  /// Of what attends, in the same place.
  let attention: CPUScratch
  /// Of the last product, in the same place.
  let projection: CPUScratch
  /// Of an image's heads.
  let states: Int
  /// Normalized rows of the input, where they are not made as they are multiplied.
  let normalized: Int
  /// Rows of the product that are held: keys and values, then queries; all of them where the image
  /// is one band. Normalized keys where a kernel goes on from the product's codes.
  let rows: Int
  let attended: Int
  /// The last product's results, where they are normalized.
  let projected: Int
  let byteCount: Int
}

extension CPUDevice {
  func layout(
    _ attention: ReluAttention, _ scales: [CPULinearAttention.Scale], _ product: Linear,
    _ projection: Linear, _ size: Shape, _ sums: AttentionBands, _ results: AttentionBands,
    isFused: Bool, hasNorm: Bool, hasNorms: Bool, hasOutputNorm: Bool,
    _ forms: CPUWeightForms
  ) -> LinearAttentionLayout {
    let (width, inputs, dimension) = (size.width, size.channels, attention.headDimension)
    let heads = attention.heads / (1 + scales.count)
    let channels = heads * dimension
    let isOneBand = sums.all.count == 1 && results.all.count == 1
    let multiplied = max(sums.multipliedRows, results.multipliedRows) * width
    let summed = sums.attendedPositions
    let attended = results.attendedPositions
    let productScratch: CPUScratch
    let attentionScratch: CPUScratch
    let stateFloats: Int
    let rowFloats: Int
    if isFused {
      let kernelBytes =
        kernels.relu_attention_int8_scratch_count(dimension) * MemoryLayout<Float>.size
      productScratch = CPUScratch(
        sharedBytes: quantizedBytes(
          rows: max(summed, attended), columns: inputs, planes: forms.planes(of: product)),
        workerBytes: max(kernelBytes, kernels.int8_scratch_bytes()), workers: pool.size)
      attentionScratch = productScratch
      stateFloats = heads * kernels.relu_state_count(dimension)
      rowFloats = hasNorms ? summed * channels : 0
    } else {
      productScratch = scratch(
        for: product, .tokens(batch: 1, count: multiplied, channels: inputs),
        planes: forms.planes(of: product))
      attentionScratch = CPUScratch(
        workerFloats: scales.isEmpty
          ? kernels.linear_attention_scratch_count(dimension)
          : kernels.multiscale_attention_scratch_count(
            dimension, width, scales.map(\.gathering.kernel).max() ?? 1, scales.count),
        workers: pool.size)
      stateFloats =
        heads
        * (scales.isEmpty
          ? kernels.relu_state_count(dimension)
          : kernels.multiscale_state_count(dimension, scales.count))
      rowFloats =
        isOneBand
        ? 3 * size.positions * channels
        : max(2 * sums.heldRows, results.heldRows) * width * channels
    }
    let projectionScratch = scratch(
      for: projection,
      .tokens(batch: 1, count: attended, channels: projection.weight.shape[1]),
      planes: forms.planes(of: projection))
    var areas = ScratchAreas(
      bytes: max(productScratch.byteCount, attentionScratch.byteCount, projectionScratch.byteCount)
    )
    let projectedFloats = hasOutputNorm ? attended * projection.weight.shape[0] : 0
    let states = areas.append(floats: stateFloats)
    let normalized = areas.append(floats: hasNorm && !isFused ? multiplied * inputs : 0)
    // In a single band, nobody reads the product's rows any more.
    let rows = areas.append(floats: isOneBand ? max(rowFloats, projectedFloats) : rowFloats)
    return LinearAttentionLayout(
      product: productScratch, attention: attentionScratch, projection: projectionScratch,
      states: states, normalized: normalized, rows: rows,
      attended: areas.append(floats: attended * projection.weight.shape[1]),
      projected: isOneBand ? rows : areas.append(floats: projectedFloats),
      byteCount: areas.byteCount)
  }
}
