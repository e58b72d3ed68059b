internal import CKernels
internal import SanaGraph
internal import WeightFormats

/// What the CPU computes at once: a node, or several.
struct CPUStep {
  enum Form {
    case node
    case chain(CPUChain)
    case cascade(CPUCascade)
    case captionAttention(CPUCaptionAttention)
    case linearAttention(CPULinearAttention)
    case mixFeedForward(CPUMixFeedForward)
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

  init(_ step: CPULinearAttention) {
    form = .linearAttention(step)
    nodes = step.nodes
    parts = step.parts
  }

  init(_ step: CPUMixFeedForward) {
    form = .mixFeedForward(step)
    nodes = step.nodes
    parts = step.parts
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
  /// How a graph is executed: Mix-FFNs, linear attention and cross-attention with the products
  /// around them, cascades, and products of int8 activations with the norm before them are computed
  /// as one; every other node is by itself.
  func steps(_ graph: Graph, _ forms: CPUWeightForms) -> [CPUStep] {
    // A weight that is loaded for one use of it is in memory while one node is computed.
    guard !forms.isUsedOnce else {
      return graph.nodes.indices.map {
        CPUStep(.node, $0...$0, arithmetic(of: graph.nodes[$0].operation, forms))
      }
    }
    var steps: [CPUStep] = []
    let uses = GraphUses(graph)
    let cascades = cascades(graph, uses, forms)
    var end = graph.nodes.count
    while end > 0 {
      let position = end - 1
      let step: CPUStep
      if let feedForward = mixFeedForward(graph, uses, forms, endingAt: position) {
        step = CPUStep(feedForward)
      } else if let attention = linearAttention(graph, uses, forms, endingAt: position) {
        step = CPUStep(attention)
      } else if let chain = chain(graph, uses, forms, endingAt: position) {
        step = CPUStep(.chain(chain), chain.nodes, .int8)
      } else if let cascade = cascades[position] {
        step = CPUStep(cascade)
      } else if let attention = captionAttention(graph, uses, forms, endingAt: position) {
        step = CPUStep(attention) { arithmetic(of: $0, forms) }
      } else {
        step = CPUStep(
          .node, position...position, arithmetic(of: graph.nodes[position].operation, forms))
      }
      steps.append(step)
      end = step.nodes.lowerBound
    }
    return steps.reversed()
  }

  /// What an operation that is computed by itself multiplies.
  func arithmetic(of operation: Operation, _ forms: CPUWeightForms) -> Arithmetic {
    let parameters = operation.payload.parameters
    if parameters.contains(where: {
      forms.form(of: $0, in: operation)?.isForInt8Activations == true
    }) {
      return .int8
    }
    return parameters.contains { forms.bf16Kernels(of: $0, in: operation) != nil } ? .bf16 : .f32
  }

  /// What the steps take, for a memory plan.
  func memorySteps(
    _ graph: Graph, steps: [CPUStep], _ forms: CPUWeightForms
  ) -> [MemoryPlan.Step] {
    steps.map { step in
      switch step.form {
      case .node:
        let position = step.nodes.upperBound
        return MemoryPlan.Step(
          node: position, of: graph,
          scratchBytes: scratch(for: graph.nodes[position], in: graph, forms).byteCount)
      case .chain(let chain):
        return MemoryPlan.Step(
          nodes: step.nodes,
          scratchBytes: scratch(
            for: chain.linear, graph[chain.input].shape, planes: forms.planes(of: chain.linear)
          ).byteCount)
      case .cascade(let cascade):
        return MemoryPlan.Step(
          nodes: step.nodes, scratchBytes: scratch(for: cascade, in: graph).byteCount,
          inPlaceInput: cascade.isInPlace ? cascade.input : nil,
          storesValue: !cascade.handsOverRows)
      case .mixFeedForward(let feedForward):
        return MemoryPlan.Step(
          nodes: step.nodes, scratchBytes: feedForward.layout.byteCount,
          inPlaceInput: feedForward.inPlaceInput)
      case .captionAttention(let caption):
        return MemoryPlan.Step(
          nodes: step.nodes, scratchBytes: scratch(for: caption, in: graph).byteCount,
          inPlaceInput: caption.residual)
      case .linearAttention(let attention):
        return MemoryPlan.Step(
          nodes: step.nodes, scratchBytes: attention.layout.byteCount,
          inPlaceInput: attention.inPlaceInput)
      }
    }
  }
}

extension CPUStep.Form {
  /// For people and tests.
  var name: String {
    switch self {
    case .node: "node"
    case .chain: "normalizedProduct"
    case .cascade: "cascade"
    case .captionAttention: "captionAttention"
    case .linearAttention: "linearAttention"
    case .mixFeedForward: "mixFeedForward"
    }
  }
}
