internal import SanaGraph
internal import WeightFormats

/// A graph, its decoded weights and its arena. The operations are in the extensions, one file a family.
final class ReferenceExecutable: Executable {
  let plan: ExecutionPlan
  private let weights: [String: ReferenceWeight]
  private let source: any WeightSource
  private let precision: ComputePrecision
  let winograd: WinogradTile
  private let arena: ReferenceArena

  /// - Parameter source: of the weights that are read by rows.
  init(
    plan: ExecutionPlan, weights: [String: ReferenceWeight], source: any WeightSource,
    precision: ComputePrecision, winograd: WinogradTile
  ) {
    self.plan = plan
    self.weights = weights
    self.source = source
    self.precision = precision
    self.winograd = winograd
    self.arena = ReferenceArena(byteCount: plan.arenaBytes)
  }

  func write(_ tensor: HostTensor, to input: Value) {
    precondition(tensor.shape == graph[input].shape, "\(tensor.shape) for \(graph[input].shape)")
    switch tensor.storage {
    case .floats(let values):
      precondition(graph[input].precision == .f32)
      values.withUnsafeBytes { bytes(of: input).copyMemory(from: $0) }
    case .integers(let values):
      precondition(graph[input].precision == .i32)
      values.withUnsafeBytes { bytes(of: input).copyMemory(from: $0) }
    }
  }

  func run(_ context: RunContext) throws {
    for node in graph.nodes {
      try context.cancellation?.check()
      try context.operandObserver?(node, graph, read)
      try execute(node)
      context.onProgress?()
      guard let observer = context.observer else { continue }
      for name in graph[node.output].names { try observer(name, read(node.output)) }
    }
    guard let onRows = context.onRows else { return }
    let output = read(graph.outputs[0])
    try output.values.withUnsafeBufferPointer { try onRows(0..<output.shape.height, $0) }
  }

  func read(_ output: Value) -> HostTensor {
    let shape = graph[output].shape
    return switch graph[output].precision {
    case .i32: HostTensor(shape, integers: integers(output))
    default: HostTensor(shape, [Float](bytes(of: output).bindMemory(to: Float.self)))
    }
  }

  // MARK: What operations read and write

  func activation(_ value: Value) -> ReferenceActivation {
    precondition(graph[value].precision == .f32, "the reference computes in f32")
    return ReferenceActivation(shape: graph[value].shape, bytes: bytes(of: value))
  }

  func integers(_ value: Value) -> [Int32] {
    precondition(graph[value].precision == .i32)
    return [Int32](bytes(of: value).bindMemory(to: Int32.self))
  }

  func weight(_ parameter: Parameter) -> ReferenceWeight {
    guard let weight = weights[parameter.name] else {
      preconditionFailure("\(parameter.name) is made resident by prepare")
    }
    return weight
  }

  /// Some rows of a weight, in this order.
  func weight(_ parameter: Parameter, rows: [Int]) throws -> ReferenceWeight {
    try ReferenceWeight(source.loadRows(rows, of: parameter.name), precision: precision)
  }

  func modulation(_ row: ModulationRow, channels: Int) -> ReferenceModulation {
    ReferenceModulation(value: activation(row.value), channels: channels, index: row.index)
  }

  private func bytes(of value: Value) -> UnsafeMutableRawBufferPointer {
    let offset = plan.memory[value].offset
    return UnsafeMutableRawBufferPointer(
      rebasing: arena.bytes[offset..<offset + graph[value].byteCount])
  }

  private func execute(_ node: Node) throws {
    let output = activation(node.output)
    switch node.operation {
    case .linear(let operation): compute(operation, output)
    case .groupedLinear(let operation): compute(operation, output)
    case .convolution(let operation): compute(operation, output)
    case .upsampleConvolution(let operation): compute(operation, output)
    case .depthwiseConvolution(let operation): compute(operation, output)
    case .rmsNorm(let operation): compute(operation, output)
    case .modulatedLayerNorm(let operation): compute(operation, output)
    case .reluAttention(let operation): compute(operation, output)
    case .crossAttention(let operation): compute(operation, output)
    case .causalAttention(let operation): try compute(operation, output)
    case .embeddingLookup(let operation): try compute(operation, output)
    case .sinusoidalEmbedding(let operation): compute(operation, output)
    case .addTable(let operation): compute(operation, output)
    case .add(let operation): compute(operation, output)
    case .gatedResidual(let operation): compute(operation, output)
    case .activate(let operation): compute(operation, output)
    case .gatedLinearUnit(let operation): compute(operation, output)
    case .concatenateChannels(let operation): compute(operation, output)
    case .pixelShuffle(let operation): compute(operation, output)
    case .pixelUnshuffle(let operation): compute(operation, output)
    case .duplicateChannels(let operation): compute(operation, output)
    case .averageChannels(let operation): compute(operation, output)
    }
  }
}

/// The one allocation that holds every activation. Filled with NaN, so that reading what nothing has written shows.
private final class ReferenceArena {
  let bytes: UnsafeMutableRawBufferPointer

  init(byteCount: Int) {
    bytes = .allocate(byteCount: byteCount, alignment: MemoryPlan.alignment)
    bytes.initializeMemory(as: UInt8.self, repeating: 0xFF)
  }

  deinit { bytes.deallocate() }
}
