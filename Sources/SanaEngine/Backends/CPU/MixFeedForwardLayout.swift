internal import SanaGraph
internal import CKernels

/// Working memory of a `CPUMixFeedForward`: offsets of its areas.
struct MixFeedForwardLayout {
  /// Of the first product, in front of everything: its input as it is multiplied.
  let expansion: CPUScratch
  /// Of the last product, in the same place.
  let projection: CPUScratch
  /// Hidden activations, from the first on, that a kernel's tasks leave for the next band; nil
  /// where the image is one band, and threads have memory for them.
  let hidden: Int?
  /// Rows that a product like any other makes.
  let expanded: Int
  /// Normalized rows of the input, where they are not made as they are multiplied.
  let normalized: Int
  let gated: Int
  /// The last product's results, where they are normalized.
  let projected: Int
  let byteCount: Int
}

extension CPUDevice {
  func layout(
    _ kind: CPUMixFeedForward.Expansion, _ expansion: Linear, _ projection: Linear, _ size: Shape,
    _ bands: [Range<Int>], hasNorm: Bool, hasOutputNorm: Bool, _ forms: CPUWeightForms
  ) -> MixFeedForwardLayout {
    let (width, inputs) = (size.width, size.channels)
    let hidden = expansion.weight.shape[0] / 2
    let mostRows = bands.map(\.count).max() ?? 0
    let mostExpanded = bands.map { expandedPositions(kind, $0, size).count }.max() ?? 0
    let hiddenBytes = kernels.feed_forward_hidden_bytes(width)
    let threadHiddenBytes = bands.count == 1 ? hiddenBytes : 0
    let first: CPUScratch
    var keepsHidden = false
    var (expandedFloats, normalizedFloats) = (0, 0)
    switch kind {
    case .int8:
      keepsHidden = bands.count > 1
      first = CPUScratch(
        sharedBytes: quantizedBytes(
          rows: mostExpanded, columns: inputs, planes: forms.planes(of: expansion)),
        workerBytes: threadHiddenBytes + kernels.feed_forward_scratch_bytes(),
        workers: pool.size)
    case .bf16:
      keepsHidden = bands.count > 1
      let bf16 = bf16FeedForward
      first = CPUScratch(
        sharedBytes: kernels.int8_row_count(mostExpanded) * (bf16?.row_bytes(inputs) ?? 0),
        workerBytes: threadHiddenBytes + (bf16?.scratch_bytes(inputs) ?? 0), workers: pool.size)
      normalizedFloats = hasNorm ? mostExpanded * inputs : 0
    case .product:
      first = scratch(
        for: expansion, .tokens(batch: 1, count: mostExpanded, channels: inputs),
        planes: forms.planes(of: expansion))
      expandedFloats = min(mostRows + 2, size.height) * width * 2 * hidden
      normalizedFloats = hasNorm ? mostExpanded * inputs : 0
    }
    let positions = mostRows * width
    let last = scratch(
      for: projection, .tokens(batch: 1, count: positions, channels: hidden),
      planes: forms.planes(of: projection))
    var areas = ScratchAreas(bytes: max(first.byteCount, last.byteCount))
    return MixFeedForwardLayout(
      expansion: first, projection: last,
      hidden: keepsHidden ? areas.append(bytes: hiddenPieces(hidden) * hiddenBytes) : nil,
      expanded: areas.append(floats: expandedFloats),
      normalized: areas.append(floats: normalizedFloats),
      gated: areas.append(floats: positions * hidden),
      projected: areas.append(
        floats: hasOutputNorm ? positions * projection.weight.shape[0] : 0),
      byteCount: areas.byteCount)
  }

  /// The tasks into which a kernel's hidden channels are cut.
  func hiddenPieces(_ channels: Int) -> Int {
    (channels + kernels.feed_forward_channels - 1) / kernels.feed_forward_channels
  }

  /// The positions of an image that are multiplied first for a band of rows: those that the bands
  /// before did not.
  func expandedPositions(
    _ kind: CPUMixFeedForward.Expansion, _ rows: Range<Int>, _ size: Shape
  ) -> Range<Int> {
    if case .product = kind {
      let first = rows.lowerBound == 0 ? 0 : min(rows.lowerBound + 1, size.height)
      return first * size.width..<min(rows.upperBound + 1, size.height) * size.width
    }
    let first = kernels.feed_forward_position(size.width, size.height, rows.lowerBound)
    return first..<kernels.feed_forward_position(size.width, size.height, rows.upperBound)
  }
}

/// Lays areas of scratch memory one behind the other.
struct ScratchAreas {
  private(set) var byteCount: Int

  /// - Parameter bytes: of a first area.
  init(bytes: Int) { byteCount = MemoryPlan.aligned(bytes) }

  /// - Returns: where the area begins.
  mutating func append(bytes: Int) -> Int {
    defer { byteCount += MemoryPlan.aligned(bytes) }
    return byteCount
  }

  mutating func append(floats: Int) -> Int { append(bytes: floats * MemoryLayout<Float>.size) }
}
