internal import WeightFormats

/// What the CPU computes at once: a node, or a chain of them.
struct CPUStep {
  /// Positions in the graph.
  let nodes: ClosedRange<Int>
  /// Set for a chain.
  let chain: CPUChain?
  /// What its product multiplies.
  let arithmetic: Arithmetic
}

extension CPUDevice {
  /// How a graph is executed: the chains whose weights allow it are computed as one, the longest where several overlap; every
  /// other node is by itself.
  /// - Parameter source: describes the weights.
  func steps(_ graph: Graph, weights source: any WeightSource) -> [CPUStep] {
    var steps: [CPUStep] = []
    let chains = chains(graph)
    var end = graph.nodes.count
    while end > 0 {
      let position = end - 1
      if let chain = chains[position], isPacked(chain.linear.weight, source) {
        steps.append(CPUStep(nodes: chain.nodes, chain: chain, arithmetic: .int8))
      } else {
        steps.append(
          CPUStep(
            nodes: position...position, chain: nil,
            arithmetic: arithmetic(of: graph.nodes[position].operation, source)))
      }
      end = steps.last?.nodes.lowerBound ?? 0
    }
    return steps.reversed()
  }

  /// What an operation that is computed by itself multiplies.
  private func arithmetic(of operation: Operation, _ source: any WeightSource) -> Arithmetic {
    let parameters = operation.payload.parameters
    if operation.takesInt8Activations, parameters.contains(where: { isPacked($0, source) }) {
      return .int8
    }
    let weights = parameters.compactMap { source.description(of: $0.name) }
    return weights.contains(where: multipliesBFloat) ? .bf16 : .f32
  }

  private func isPacked(_ parameter: Parameter, _ source: any WeightSource) -> Bool {
    source.description(of: parameter.name).map { storage(of: $0).isPacked } ?? false
  }

  func plan(_ graph: Graph, steps: [CPUStep]) -> MemoryPlan {
    MemoryPlan(
      graph,
      steps: steps.map { step in
        guard let chain = step.chain else {
          let position = step.nodes.upperBound
          return MemoryPlan.Step(
            node: position, of: graph,
            scratchBytes: scratch(for: graph.nodes[position], in: graph).byteCount)
        }
        return MemoryPlan.Step(
          nodes: step.nodes,
          scratchBytes: scratch(for: chain, graph[chain.input].shape).byteCount)
      })
  }
}
