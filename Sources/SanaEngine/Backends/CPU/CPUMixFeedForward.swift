internal import SanaGraph
internal import WeightFormats

/// The Mix-FFN of Sana and of DC-AE's EfficientViT blocks to its end, computed in bands of image
/// rows:
///
///     x ─ (norm, modulate) ─ 1x1 ─ depthwise 3x3, gated ─ 1x1, gate, residual ─ (norm, residual)
///
/// Of what lies between only a band exists, and of the widest activations only the rows that the
/// next band still reads, or, where a kernel makes them from int8 or bf16, what a thread holds in
/// its cache. Results are those of the nodes, bit for bit, whatever the bands.
struct CPUMixFeedForward {
  /// How the rows that the depthwise convolution reads are made.
  enum Expansion {
    /// By a kernel that multiplies int8 codes and goes on to the gate.
    case int8
    /// The same of rows rounded to bf16.
    case bf16
    /// By a product like any other.
    case product(Arithmetic)
  }

  let norm: ModulatedLayerNorm?
  let expansion: Linear
  let gating: DepthwiseConvolution
  let ending: BlockEnding
  let kind: Expansion
  /// Positions of the nodes in the graph, in the order of the members.
  let nodes: ClosedRange<Int>
  /// Image rows of the result that are computed at a time.
  let bands: [Range<Int>]
  let layout: MixFeedForwardLayout

  /// What the nodes read first.
  var input: Value { norm?.input ?? expansion.input }

  /// What the result may take the place of: every row of it is read before the result's is written.
  var inPlaceInput: Value { ending.residual ?? input }

  /// The product and all before it, the last product, what follows it.
  var parts: [CPUStep.Part] {
    let last = nodes.upperBound + 1 - ending.nodeCount
    let arithmetic: Arithmetic =
      switch kind {
      case .int8: .int8
      case .bf16: .bf16
      case .product(let arithmetic): arithmetic
      }
    return [CPUStep.Part(nodes: nodes.lowerBound...last - 1, arithmetic: arithmetic)]
      + ending.parts(of: nodes)
  }
}

extension CPUDevice {
  /// The Mix-FFN that ends at a node.
  func mixFeedForward(
    _ graph: Graph, _ uses: GraphUses, _ forms: CPUWeightForms, endingAt position: Int
  ) -> CPUMixFeedForward? {
    guard graph.fusion == .full else { return nil }
    var pattern = NodePattern(graph, uses, endingAt: position)
    guard let ending = blockEnding(graph, forms, endingAt: position, &pattern),
      case .depthwiseConvolution(let gating)? = pattern.take(ending.projection.input),
      gating.gatedLinearUnit, gating.kernel == 3,
      let expansion = pattern.take(gating.input)?.linear,
      expansion.epilogue.inputs.isEmpty
    else { return nil }
    let norm = pattern.take(expansion.input) { $0.modulatedLayerNorm }
    // Few rows are multiplied in another way.
    let size = graph[expansion.input].shape
    guard size.rows > kernels.few_rows, let nodes = pattern.nodes else { return nil }
    let kind = expansionKind(of: expansion, forms)
    let rows = forms.bandRows(of: size)
    let bands = stride(from: 0, to: size.height, by: rows).map {
      $0..<min($0 + rows, size.height)
    }
    return CPUMixFeedForward(
      norm: norm, expansion: expansion, gating: gating, ending: ending,
      kind: kind, nodes: nodes,
      bands: bands,
      layout: layout(
        kind, expansion, ending.projection, size, bands, hasNorm: norm != nil,
        hasOutputNorm: ending.norm != nil, forms))
  }

  private func expansionKind(
    of expansion: Linear, _ forms: CPUWeightForms
  ) -> CPUMixFeedForward.Expansion {
    let (outputs, inputs) = (expansion.weight.shape[0], expansion.weight.shape[1])
    let arithmetic = arithmetic(of: .linear(expansion), forms)
    switch arithmetic {
    case .int8 where kernels.has_feed_forward(outputs / 2):
      return .int8
    case .bf16 where bf16FeedForward?.can_compute(inputs, outputs / 2) == true:
      return .bf16
    default:
      return .product(arithmetic)
    }
  }
}
