internal import SanaGraph
internal import CKernels
internal import WeightFormats

/// ReLU attention by sums with all that is around it, Sana's and DC-AE's
/// (`SanaMultiscaleLinearAttention`), computed in bands of image rows:
///
///     x ─ (norm, modulate) ─ queries, keys, values ─ (norms) ─ (scales) ─ attention
///       ─ product, gate, residual ─ (norm, residual)
///
/// The image is gone through twice: first for the sums of keys times values, then for what the
/// queries make of them. Of what lies between only a band exists. Each pass multiplies what it
/// reads, keys and values or queries; an image of one band is multiplied once.
///
/// Results are those of the nodes, bit for bit, whatever the bands, but for two things. From an
/// int8 product, attention is computed while the product makes queries, keys and values, which are
/// never stored (keys are, where they are normalized: their factors must be known before they are
/// summed), and what is common to numerator and denominator left out. Products of the scales that
/// have bf16 weights are multiplied in f32.
struct CPULinearAttention {
  /// What a head of another scale attends.
  struct Scale {
    let gathering: DepthwiseConvolution
    let projection: GroupedLinear
  }

  struct QueryKeyNorms {
    let query: RMSNorm
    let key: RMSNorm
  }

  let norm: ModulatedLayerNorm?
  let product: Linear
  let norms: QueryKeyNorms?
  /// Beside that of the image.
  let scales: [Scale]
  let attention: ReluAttention
  let ending: BlockEnding
  /// Whether a kernel goes on from the product's int8 codes.
  let isFused: Bool
  /// Of the product.
  let arithmetic: Arithmetic
  /// Positions of the nodes in the graph.
  let nodes: ClosedRange<Int>
  let sums: AttentionBands
  let results: AttentionBands
  let layout: LinearAttentionLayout

  var input: Value { norm?.input ?? product.input }

  /// What the result may take the place of: every row of it is read before the result's is written.
  var inPlaceInput: Value { ending.residual ?? input }

  /// Heads of each scale, and their channels together.
  var heads: Int { attention.heads / (1 + scales.count) }
  var width: Int { heads * attention.headDimension }

  /// Whether what is multiplied for the sums is still there for the results.
  var isOneBand: Bool { results.all.count == 1 && sums.all.count == 1 }

  /// The product and all before it, norms and attention, the last product, what follows it.
  var parts: [CPUStep.Part] {
    let product = nodes.lowerBound + (norm == nil ? 0 : 1)
    let last = nodes.upperBound + 1 - ending.nodeCount
    let before =
      isFused
      ? [CPUStep.Part(nodes: nodes.lowerBound...last - 1, arithmetic: arithmetic)]
      : [
        CPUStep.Part(nodes: nodes.lowerBound...product, arithmetic: arithmetic),
        CPUStep.Part(nodes: product + 1...last - 1, arithmetic: .f32),
      ]
    return before + ending.parts(of: nodes)
  }
}

extension CPUDevice {
  /// The attention that ends at a node.
  func linearAttention(
    _ graph: Graph, _ uses: GraphUses, _ forms: CPUWeightForms, endingAt position: Int
  ) -> CPULinearAttention? {
    guard graph.fusion == .full else { return nil }
    var pattern = NodePattern(graph, uses, endingAt: position)
    guard let ending = blockEnding(graph, forms, endingAt: position, &pattern),
      case .reluAttention(let attention)? = pattern.take(ending.projection.input),
      attention.form == .linear, let gathered = scales(of: attention, &pattern, graph)
    else { return nil }
    let norms = gathered.scales.isEmpty ? queryKeyNorms(of: attention, &pattern) : nil
    guard
      let product = pattern.take(
        norms?.query.input ?? gathered.queryKeyValue, readBy: 1 + gathered.scales.count)?
        .linear, product.epilogue.isPlain
    else { return nil }
    let norm = pattern.take(product.input) { $0.modulatedLayerNorm }

    // Few rows are multiplied in another way.
    let size = graph[product.input].shape
    let dimension = attention.headDimension
    let productArithmetic = arithmetic(of: .linear(product), forms)
    let isFused =
      productArithmetic == .int8 && attention.layout == .blocks
      && kernels.has_relu_attention_int8(dimension)
    // Packed weights are cut between panels.
    let cut = attention.layout == .blocks ? attention.heads * dimension : dimension
    guard size.rows > kernels.few_rows, let nodes = pattern.nodes,
      isFused || productArithmetic != .int8 || cut % ProductTasks.panelColumns == 0
    else { return nil }
    let margin = gathered.scales.reduce(0) { max($0, $1.gathering.kernel / 2) }
    let rows = forms.bandRows(of: size)
    let sums = AttentionBands(
      size, rows: rows, margin: margin, multiple: kernels.sum_positions)
    let results = AttentionBands(size, rows: rows, margin: margin, multiple: size.width)
    return CPULinearAttention(
      norm: norm, product: product, norms: norms, scales: gathered.scales, attention: attention,
      ending: ending, isFused: isFused,
      arithmetic: productArithmetic, nodes: nodes,
      sums: sums, results: results,
      layout: layout(
        attention, gathered.scales, product, ending.projection, size, sums, results,
        isFused: isFused, hasNorm: norm != nil, hasNorms: norms != nil,
        hasOutputNorm: ending.norm != nil, forms))
  }

  /// What is gathered for the attention, if anything, and what it is gathered from.
  private func scales(
    of attention: ReluAttention, _ pattern: inout NodePattern, _ graph: Graph
  ) -> (scales: [CPULinearAttention.Scale], queryKeyValue: Value)? {
    let parts = pattern.take(attention.queryKeyValue) { operation in
      if case .concatenateChannels(let concatenation) = operation {
        concatenation.parts
      } else {
        nil
      }
    }
    guard let parts else { return ([], attention.queryKeyValue) }
    let channels = 3 * attention.heads / parts.count * attention.headDimension
    guard attention.layout == .triples, attention.heads % parts.count == 0,
      graph[parts[0]].shape.channels == channels
    else { return nil }
    var scales: [CPULinearAttention.Scale] = []
    for part in parts.dropFirst() {
      guard case .groupedLinear(let projection)? = pattern.take(part),
        projection.weight.shape == [channels, attention.headDimension],
        case .depthwiseConvolution(let gathering)? = pattern.take(projection.input),
        gathering.input == parts[0], gathering.bias == nil, !gathering.gatedLinearUnit,
        kernels.has_multiscale_attention(attention.headDimension, gathering.kernel)
      else { return nil }
      scales.append(CPULinearAttention.Scale(gathering: gathering, projection: projection))
    }
    return (scales, parts[0])
  }

  /// The norms of queries and keys between a product and its attention, where there are any.
  private func queryKeyNorms(
    of attention: ReluAttention, _ pattern: inout NodePattern
  ) -> CPULinearAttention.QueryKeyNorms? {
    let width = attention.heads * attention.headDimension
    var longer = pattern
    guard attention.layout == .blocks,
      case .rmsNorm(let key)? = longer.take(attention.queryKeyValue),
      case .rmsNorm(let query)? = longer.take(key.input),
      query.channels == 0..<width, key.channels == width..<2 * width,
      [query, key].allSatisfy({ $0.bias == nil && $0.residual == nil }),
      query.weight != nil, query.weightOffset == 0
    else { return nil }
    pattern = longer
    return CPULinearAttention.QueryKeyNorms(query: query, key: key)
  }
}

extension Epilogue {
  /// Whether sums are stored as they are.
  fileprivate var isPlain: Bool {
    bias == nil && activation == .none && gate == nil && residual == nil
  }
}
