internal import CKernels
internal import WeightFormats

/// What the CPU computes at once: a node, or several.
struct CPUStep {
  enum Form {
    case node
    case chain(CPUChain)
    case residualBlock(CPUResidualBlock)
    case upsampling(CPUUpsampling)
  }

  let form: Form
  /// Positions in the graph.
  let nodes: ClosedRange<Int>
  /// What its products multiply.
  let arithmetic: Arithmetic
}

extension CPUDevice {
  /// How a graph is executed: residual blocks, and chains and upsampling whose weights allow it, the longest where several overlap, are
  /// computed as one; every other node is by itself.
  /// - Parameter source: describes the weights.
  func steps(_ graph: Graph, weights source: any WeightSource) -> [CPUStep] {
    var steps: [CPUStep] = []
    let readers = graph.readerCounts
    let chains = chains(graph, readers)
    var end = graph.nodes.count
    while end > 0 {
      let position = end - 1
      if let chain = chains[position], isPacked(chain.linear.weight, source) {
        steps.append(CPUStep(form: .chain(chain), nodes: chain.nodes, arithmetic: .int8))
      } else if let block = residualBlock(graph, endingAt: position, readers) {
        steps.append(
          CPUStep(
            form: .residualBlock(block), nodes: block.nodes,
            arithmetic: arithmetic(of: graph.nodes[position - 1].operation, source)))
      } else if let upsampling = upsampling(graph, endingAt: position, readers),
        isPacked(upsampling.convolution.weight, source)
      {
        steps.append(
          CPUStep(form: .upsampling(upsampling), nodes: upsampling.nodes, arithmetic: .int8))
      } else {
        steps.append(
          CPUStep(
            form: .node, nodes: position...position,
            arithmetic: arithmetic(of: graph.nodes[position].operation, source)))
      }
      end = steps.last?.nodes.lowerBound ?? 0
    }
    return steps.reversed()
  }

  /// What an operation that is computed by itself multiplies.
  private func arithmetic(of operation: Operation, _ source: any WeightSource) -> Arithmetic {
    let parameters = operation.payload.parameters
    if operation.takesInt8Activations,
      parameters.contains(where: { multipliesInt8($0, source) })
    {
      return .int8
    }
    let weights = parameters.compactMap { source.description(of: $0.name) }
    return weights.contains(where: multipliesBFloat) ? .bf16 : .f32
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
        case .chain(let chain):
          return MemoryPlan.Step(
            nodes: step.nodes,
            scratchBytes: scratch(for: chain, graph[chain.input].shape).byteCount)
        case .upsampling(let upsampling):
          return MemoryPlan.Step(
            nodes: step.nodes,
            scratchBytes: scratch(
              for: SANA_CONVOLUTION_UPSAMPLE, upsampling.convolution.weight
            ).byteCount)
        case .residualBlock(let block):
          return MemoryPlan.Step(
            nodes: step.nodes, scratchBytes: scratch(for: block, in: graph).byteCount,
            inPlaceInput: block.input)
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
}
