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
  /// About how many positions of an image are computed at a time; all when nil.
  let bandPositions: Int?
  /// Planes of the codes that the products multiply.
  let queryPlanes: Int
  let projectionPlanes: Int
}

extension CPUDevice {
  /// The cross-attention that ends at a node.
  func captionAttention(
    _ graph: Graph, _ uses: GraphUses, _ forms: CPUWeightForms, endingAt position: Int
  ) -> CPUCaptionAttention? {
    var pattern = NodePattern(graph, uses, endingAt: position)
    guard graph.fusion == .full, let projection = graph.nodes[position].operation.linear,
      let residual = projection.epilogue.residual, projection.epilogue.gate == nil,
      projection.epilogue.activation == .none,
      case .crossAttention(let attention)? = pattern.take(projection.input)
    else { return nil }
    let norm = pattern.take(attention.query) { $0.rmsNorm }
    guard norm?.residual == nil, let query = pattern.take(norm?.input ?? attention.query)?.linear,
      // Few rows are multiplied in another way.
      graph[attention.query].shape.positions > kernels.few_rows,
      query.epilogue.gate == nil, query.epilogue.residual == nil, let nodes = pattern.nodes
    else { return nil }
    return CPUCaptionAttention(
      query: query, norm: norm, attention: attention, projection: projection, nodes: nodes,
      residual: residual, bandPositions: forms.bandPositions, queryPlanes: forms.planes(of: query),
      projectionPlanes: forms.planes(of: projection))
  }
}

/// Working memory of a `CPUCaptionAttention`: that of its operations, which follow one another,
/// queries of a band of an image, a row of results.
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
    let positions = min(max(step.bandPositions ?? size.positions, 1), size.positions)
    let queries = Shape.tokens(batch: 1, count: positions, channels: size.channels)
    let query = scratch(
      for: step.query,
      .tokens(batch: 1, count: positions, channels: step.query.weight.shape[1]),
      planes: step.queryPlanes)
    let attention = scratch(
      for: step.attention, keyValue: graph[step.attention.keyValue].shape.with(batch: 1))
    let projection = scratch(for: step.projection, queries, planes: step.projectionPlanes)
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
