internal import CKernels
internal import SanaGraph
internal import WeightFormats

/// What the CPU computes at once: a node, or several.
struct CPUStep {
  enum Form {
    case node
    case chain(CPUChain, Arithmetic)
    case cascade(CPUCascade)
    case captionAttention(CPUCaptionAttention)
    case multiscaleAttention(CPUMultiscaleAttention)
  }

  /// What is measured by itself.
  struct Part {
    /// Positions in the graph.
    let nodes: ClosedRange<Int>
    /// What its products multiply.
    let arithmetic: Arithmetic
  }

  let form: Form
  /// Positions in the graph.
  let nodes: ClosedRange<Int>
  let parts: [Part]

  init(_ form: Form, _ nodes: ClosedRange<Int>, _ arithmetic: Arithmetic) {
    self.form = form
    self.nodes = nodes
    parts = [Part(nodes: nodes, arithmetic: arithmetic)]
  }

  init(_ cascade: CPUCascade) {
    form = .cascade(cascade)
    nodes = cascade.nodes
    parts = cascade.layers.map { Part(nodes: $0.nodes, arithmetic: $0.arithmetic) }
  }

  /// - Parameter arithmetic: of an operation.
  init(_ step: CPUCaptionAttention, _ arithmetic: (Operation) -> Arithmetic) {
    form = .captionAttention(step)
    nodes = step.nodes
    let (first, last) = (nodes.lowerBound, nodes.upperBound)
    parts = [
      Part(nodes: first...last - 2, arithmetic: arithmetic(.linear(step.query))),
      Part(nodes: last - 1...last - 1, arithmetic: .f32),
      Part(nodes: last...last, arithmetic: arithmetic(.linear(step.projection))),
    ]
  }
}

extension CPUDevice {
  /// How a graph is executed: cascades, cross-attention with its products, attention over several scales, and chains whose weights allow
  /// it, the longest where several overlap, are computed as one; every other node is by itself.
  /// - Parameter source: describes the weights.
  func steps(_ graph: Graph, weights source: any WeightSource) -> [CPUStep] {
    var steps: [CPUStep] = []
    let readers = graph.readerCounts
    let chains = chains(graph, readers)
    let cascades = cascades(graph, readers, source)
    var end = graph.nodes.count
    while end > 0 {
      let position = end - 1
      let step: CPUStep
      if let chain = chains[position], let arithmetic = arithmetic(of: chain, graph, source) {
        step = CPUStep(.chain(chain, arithmetic), chain.nodes, arithmetic)
      } else if let cascade = cascades[position] {
        step = CPUStep(cascade)
      } else if let attention = captionAttention(graph, readers, endingAt: position) {
        step = CPUStep(attention) { arithmetic(of: $0, source) }
      } else if let attention = multiscaleAttention(graph, readers, endingAt: position) {
        step = CPUStep(.multiscaleAttention(attention), attention.nodes, .f32)
      } else {
        step = CPUStep(
          .node, position...position, arithmetic(of: graph.nodes[position].operation, source))
      }
      steps.append(step)
      end = step.nodes.lowerBound
    }
    return steps.reversed()
  }

  /// What a chain multiplies when it is computed as one; nil when its weights do not allow that.
  private func arithmetic(
    of chain: CPUChain, _ graph: Graph, _ source: any WeightSource
  ) -> Arithmetic? {
    let weight = chain.linear.weight
    if isPacked(weight, source) { return .int8 }
    // Few rows are multiplied in f32.
    guard case .feedForward = chain.form, chain.norm == nil, weight.access == .whole,
      graph[chain.input].shape.rows > kernels.few_rows,
      source.description(of: weight.name).flatMap(bf16) != nil,
      bf16FeedForward?.can_compute(weight.shape[1], weight.shape[0] / 2) == true
    else { return nil }
    return .bf16
  }

  /// What an operation that is computed by itself multiplies.
  func arithmetic(of operation: Operation, _ source: any WeightSource) -> Arithmetic {
    let parameters = operation.payload.parameters
    if operation.takesInt8Activations,
      parameters.contains(where: { multipliesInt8($0, source) })
    {
      return .int8
    }
    let weights = parameters.compactMap { source.description(of: $0.name) }
    return weights.contains { bf16(for: $0) != nil } ? .bf16 : .f32
  }

  private func isPacked(_ parameter: Parameter, _ source: any WeightSource) -> Bool {
    parameter.access == .whole && multipliesInt8(parameter, source)
  }

  private func multipliesInt8(_ parameter: Parameter, _ source: any WeightSource) -> Bool {
    guard let description = source.description(of: parameter.name) else { return false }
    return parameter.access == .once
      ? multipliesInt8AsStored(description) : storage(of: description).isPacked
  }

  func plan(_ graph: Graph, steps: [CPUStep]) -> MemoryPlan {
    MemoryPlan(
      graph,
      steps: steps.map { step in
        switch step.form {
        case .node:
          let position = step.nodes.upperBound
          return MemoryPlan.Step(
            node: position, of: graph,
            scratchBytes: scratch(for: graph.nodes[position], in: graph).byteCount)
        case .chain(let chain, let arithmetic):
          return MemoryPlan.Step(
            nodes: step.nodes,
            scratchBytes: scratch(for: chain, arithmetic, graph[chain.input].shape).byteCount)
        case .cascade(let cascade):
          return MemoryPlan.Step(
            nodes: step.nodes, scratchBytes: scratch(for: cascade, in: graph).byteCount,
            inPlaceInput: cascade.isInPlace ? cascade.input : nil)
        case .captionAttention(let caption):
          return MemoryPlan.Step(
            nodes: step.nodes, scratchBytes: scratch(for: caption, in: graph).byteCount,
            inPlaceInput: caption.residual)
        case .multiscaleAttention(let attention):
          return MemoryPlan.Step(
            nodes: step.nodes, scratchBytes: scratch(for: attention, in: graph).byteCount)
        }
      })
  }
}

extension Graph {
  /// How many inputs of nodes each value is, by `Value.index`, and one more for an output of the graph.
  fileprivate var readerCounts: [Int] {
    var readers = [Int](repeating: 0, count: values.count)
    for value in nodes.flatMap(\.operation.payload.inputs) { readers[value.index] += 1 }
    for value in outputs { readers[value.index] += 1 }
    return readers
  }

  /// Whether there is a node at a position, and it makes a value that one input of one node alone reads.
  /// - Parameter readers: how many inputs each value is.
  func makes(_ value: Value, at position: Int, readers: [Int]) -> Bool {
    position >= 0 && nodes[position].output == value && readers[value.index] == 1
  }
}
