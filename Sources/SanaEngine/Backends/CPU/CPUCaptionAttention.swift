internal import SanaGraph

/// Cross-attention with the products before and after it, computed image by image.
///
/// Attention over a single token gives that token's value, whatever the query: the softmax of one score is 1. So of an image whose caption
/// has one token, as that of an empty negative prompt has, neither queries nor attention are computed, and the last product has one row,
/// the same for every position. Which images these are is known when the graph runs. Results are those of the nodes, bit for bit.
struct CPUCaptionAttention {
  let query: Linear
  let norm: RMSNorm?
  let attention: CrossAttention
  /// With a residual, and no gate.
  let projection: Linear
  /// Positions of the nodes in the graph: the query's product, its norm, the attention, the last product.
  let nodes: ClosedRange<Int>

  /// What is added to the last product.
  let residual: Value
}

extension CPUDevice {
  /// The cross-attention that ends at a node.
  /// - Parameter readers: how many inputs each value is.
  func captionAttention(
    _ graph: Graph, _ readers: [Int], endingAt position: Int
  ) -> CPUCaptionAttention? {
    guard graph.fusion == .full, position >= 2,
      case .linear(let projection) = graph.nodes[position].operation,
      let residual = projection.epilogue.residual, projection.epilogue.gate == nil,
      projection.epilogue.activation == .none,
      case .crossAttention(let attention) = graph.nodes[position - 1].operation
    else { return nil }
    guard graph.makes(projection.input, at: position - 1, readers: readers),
      graph.makes(attention.query, at: position - 2, readers: readers)
    else { return nil }
    var first = position - 2
    var norm: RMSNorm?
    var queries = attention.query
    if case .rmsNorm(let operation) = graph.nodes[first].operation {
      guard operation.residual == nil,
        graph.makes(operation.input, at: first - 1, readers: readers)
      else { return nil }
      (norm, queries, first) = (operation, operation.input, first - 1)
    }
    // Few rows are multiplied in another way.
    guard case .linear(let query) = graph.nodes[first].operation,
      graph[queries].shape.positions > kernels.few_rows,
      query.epilogue.gate == nil, query.epilogue.residual == nil
    else { return nil }
    return CPUCaptionAttention(
      query: query, norm: norm, attention: attention, projection: projection,
      nodes: first...position, residual: residual)
  }
}

/// Working memory of a `CPUCaptionAttention`: that of its operations, which follow one another, queries of a band of an image, a row of
/// results.
struct CaptionAttentionScratch {
  /// Positions of an image whose queries are computed at a time.
  let positionsAtOnce: Int
  let query: CPUScratch
  let attention: CPUScratch
  let projection: CPUScratch
  let queriesOffset: Int
  let rowOffset: Int
  let byteCount: Int
}

extension CPUDevice {
  func scratch(for step: CPUCaptionAttention, in graph: Graph) -> CaptionAttentionScratch {
    let size = graph[step.attention.query].shape
    let positions = min(max(bandPositions ?? size.positions, 1), size.positions)
    let queries = Shape.tokens(batch: 1, count: positions, channels: size.channels)
    let query = scratch(
      for: step.query,
      .tokens(batch: 1, count: positions, channels: step.query.weight.shape[1]))
    let attention = scratch(
      for: step.attention, keyValue: graph[step.attention.keyValue].shape.with(batch: 1))
    let projection = scratch(for: step.projection, queries)
    let queriesOffset = MemoryPlan.aligned(
      max(query.byteCount, attention.byteCount, projection.byteCount))
    let floatBytes = MemoryLayout<Float>.size
    let rowOffset =
      queriesOffset + MemoryPlan.aligned(queries.elementCount * floatBytes)
    return CaptionAttentionScratch(
      positionsAtOnce: positions, query: query, attention: attention, projection: projection,
      queriesOffset: queriesOffset,
      rowOffset: rowOffset,
      byteCount: rowOffset + step.projection.weight.shape[0] * floatBytes)
  }
}
