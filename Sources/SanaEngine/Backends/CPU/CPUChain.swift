internal import SanaGraph
internal import WeightFormats

/// A product with the norm before it, whose value nobody else reads: computed as one where the
/// product is one of int8 activations, so that the norm ends in codes.
struct CPUChain {
  let norm: ModulatedLayerNorm
  let linear: Linear
  /// Positions of the nodes in the graph.
  let nodes: ClosedRange<Int>

  /// What the product reads, before it is normalized.
  var input: Value { norm.input }
}

extension CPUDevice {
  /// The norm and product that end at a node.
  func chain(
    _ graph: Graph, _ uses: GraphUses, _ forms: CPUWeightForms, endingAt position: Int
  ) -> CPUChain? {
    guard graph.fusion == .full, let linear = graph.nodes[position].operation.linear,
      arithmetic(of: .linear(linear), forms) == .int8
    else { return nil }
    var pattern = NodePattern(graph, uses, endingAt: position)
    guard let norm = pattern.take(linear.input)?.modulatedLayerNorm, let nodes = pattern.nodes
    else { return nil }
    return CPUChain(norm: norm, linear: linear, nodes: nodes)
  }
}
