internal import SanaGraph
internal import Support
internal import WeightFormats

/// One network of two models side by side, operation by operation.
///
/// Three evaluations go through the network in step: the reference; the tested model on what it
/// made itself; and each operation of the tested model that has a weight on the reference's
/// operands. Memory holds one operation's weights and the values that operations ahead read.
struct OperationStudy {
  let component: ComponentKind
  let reference: any WeightSource
  let tested: any WeightSource
  let referenceBackend: any Backend
  let testedBackend: any Backend
  let context: RunContext
  /// In the order in which they run; over all samples so far.
  private(set) var operations: [OperationError] = []
  private var indices: [String: Int] = [:]

  init(
    _ component: ComponentKind, reference: any WeightSource, tested: any WeightSource,
    referenceBackend: any Backend, testedBackend: any Backend, context: RunContext
  ) {
    self.component = component
    self.reference = reference
    self.tested = tested
    self.referenceBackend = referenceBackend
    self.testedBackend = testedBackend
    self.context = context
  }

  /// The values of a graph's outputs in both models.
  struct Outputs {
    let reference: LiveValues
    let tested: LiveValues

    /// An output as each of the two made it.
    func values(_ output: Value) -> (reference: HostTensor, tested: HostTensor) {
      (reference[output], tested[output])
    }
  }

  /// Runs a graph for one more sample.
  /// - Parameters:
  ///   - inputs: what both models are given.
  ///   - made: inputs that each model made itself.
  mutating func run(
    _ graph: Graph, inputs: [Value: HostTensor],
    made: [Value: (reference: HostTensor, tested: HostTensor)] = [:]
  ) throws -> Outputs {
    var expected = LiveValues(
      graph, inputs.merging(made.mapValues(\.reference)) { $1 })
    var found = LiveValues(graph, inputs.merging(made.mapValues(\.tested)) { $1 })
    for position in graph.nodes.indices {
      try context.cancellation?.check()
      context.onProgress?()
      let node = graph.nodes[position]
      let right = try NodeExecutable(
        graph, node: position, weights: reference, on: referenceBackend, context
      ).run(on: expected)
      let executable = try NodeExecutable(
        graph, node: position, weights: tested, on: testedBackend, context)
      let own = try executable.run(on: found)
      if let weight = node.operation.weight {
        let operands = expected.inScales(of: found, for: node)
        let isolated = try executable.run(on: operands)
        let goal = ChannelScales.inScalesOf(own.result, right.result).values
        let index = try index(of: weight, node)
        try operations[index].own.add(reference: goal, result: isolated.result.values)
        try operations[index].inherited.add(reference: goal, result: own.result.values)
        operations[index].referenceTime = min(operations[index].referenceTime, right.duration)
        operations[index].testedTime = min(
          operations[index].testedTime, min(own.duration, isolated.duration))
      }
      expected.finish(node: position, right.result)
      found.finish(node: position, own.result)
    }
    return Outputs(reference: expected, tested: found)
  }

  private mutating func index(of weight: Parameter, _ node: Node) throws -> Int {
    if let index = indices[weight.name] { return index }
    operations.append(
      OperationError(
        component: component, weight: weight.name, kind: node.operation.kind,
        referenceWeight: try reference.description(of: weight),
        testedWeight: try tested.description(of: weight)))
    indices[weight.name] = operations.count - 1
    return operations.count - 1
  }
}

extension Operation {
  /// The matrix, kernel or table that the operation multiplies or looks up; nil for those without
  /// weights, or with vectors alone.
  var weight: Parameter? {
    switch self {
    case .linear(let operation): operation.weight
    case .groupedLinear(let operation): operation.weight
    case .convolution(let operation): operation.weight
    case .upsampleConvolution(let operation): operation.weight
    case .depthwiseConvolution(let operation): operation.weight
    case .embeddingLookup(let operation): operation.table
    default: nil
    }
  }
}

extension LiveValues {
  /// The same values, those that a node reads in the scales that another model has them in.
  fileprivate func inScales(of other: LiveValues, for node: Node) -> LiveValues {
    var values = self
    for input in node.operation.payload.inputs {
      values.replace(input, by: ChannelScales.inScalesOf(other[input], self[input]))
    }
    return values
  }
}
