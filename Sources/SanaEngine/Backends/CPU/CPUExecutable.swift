internal import CKernels
internal import SanaGraph
internal import WeightFormats

/// A graph, its weights and its arena. The operations are in the extensions, one file a family.
final class CPUExecutable: Executable {
  let graph: Graph
  let plan: MemoryPlan
  let device: CPUDevice
  private let weights: [CPUWeightKey: CPUWeight]
  private let source: any WeightSource
  private let arena: AlignedMemory
  private let steps: [CPUStep]
  /// Takes the rows of an output that is not stored, while the graph runs.
  private(set) var rowHandler:
    ((_ rows: Range<Int>, _ values: UnsafeBufferPointer<Float>) throws -> Void)?

  var kernels: sana_kernels { device.kernels }
  var pool: ThreadPool { device.pool }

  /// - Parameter source: of the weights that are read by rows.
  /// - Throws: `SanaError` `.memoryLimit` when the system refuses the arena.
  init(
    graph: Graph, weights: [CPUWeightKey: CPUWeight], source: any WeightSource, device: CPUDevice
  ) throws {
    self.graph = graph
    self.weights = weights
    self.source = source
    self.device = device
    steps = device.steps(graph, weights: source)
    plan = device.plan(graph, steps: steps)
    arena = try AlignedMemory(
      byteCount: plan.arenaBytes, purpose: "the activations of \(graph.name)")
  }

  func write(_ tensor: HostTensor, to input: Value) {
    precondition(tensor.shape == graph[input].shape, "\(tensor.shape) for \(graph[input].shape)")
    let target = arena.start + plan[input]
    switch tensor.storage {
    case .floats(let values):
      precondition(graph[input].precision == .f32)
      values.withUnsafeBytes {
        UnsafeMutableRawBufferPointer(start: target, count: $0.count).copyMemory(from: $0)
      }
    case .integers(let values):
      precondition(graph[input].precision == .i32)
      values.withUnsafeBytes {
        UnsafeMutableRawBufferPointer(start: target, count: $0.count).copyMemory(from: $0)
      }
    }
  }

  func run(observer: ((_ name: String, _ tensor: HostTensor) throws -> Void)?) throws {
    for (index, step) in steps.enumerated() {
      let scratch = arena.start + plan.scratchOffsets[index]
      try device.cancellation?.check()
      let durations = try execute(step, scratch)
      // A loop that the cancellation ended has left numbers behind that mean nothing.
      try device.cancellation?.check()
      device.onProgress?()
      if let onStep = device.onStep {
        for (part, duration) in zip(step.parts, durations) {
          let nodes = Array(graph.nodes[part.nodes])
          onStep(
            ExecutedStep(
              nodes: nodes,
              operationCount: nodes.reduce(0) { $0 + graph.operationCount(of: $1) },
              arithmetic: part.arithmetic, duration: duration), graph)
        }
      }
      let output = graph.nodes[step.nodes.upperBound].output
      guard let observer, plan.offsets[output.index] != nil else { continue }
      for name in graph[output].names { try observer(name, read(output)) }
    }
  }

  func run(
    onRows: (_ rows: Range<Int>, _ values: UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let output = graph.outputs[0]
    guard plan.offsets[output.index] == nil else {
      try run(observer: nil)
      return try onRows(
        0..<shape(output).height,
        UnsafeBufferPointer(start: floats(output), count: shape(output).elementCount))
    }
    try withoutActuallyEscaping(onRows) { onRows in
      rowHandler = onRows
      defer { rowHandler = nil }
      try run(observer: nil)
    }
  }

  func read(_ output: Value) -> HostTensor {
    let shape = graph[output].shape
    return switch graph[output].precision {
    case .i32: HostTensor(shape, integers: integers(output))
    default:
      HostTensor(
        shape, Array(UnsafeBufferPointer(start: floats(output), count: shape.elementCount)))
    }
  }

  // MARK: What operations read and write

  func shape(_ value: Value) -> Shape { graph[value].shape }

  func floats(_ value: Value) -> UnsafeMutablePointer<Float> {
    precondition(graph[value].precision == .f32, "the CPU holds activations in f32")
    return (arena.start + plan[value]).assumingMemoryBound(to: Float.self)
  }

  func integers(_ value: Value) -> [Int32] {
    precondition(graph[value].precision == .i32)
    let start = (arena.start + plan[value]).assumingMemoryBound(to: Int32.self)
    return Array(UnsafeBufferPointer(start: start, count: shape(value).elementCount))
  }

  /// A matrix in its stored encoding.
  func matrix(_ parameter: Parameter) -> sana_matrix {
    guard let matrix = weights[CPUWeightKey(name: parameter.name, isPacked: false)]?.matrix else {
      preconditionFailure("\(parameter.name) is no matrix, or not made resident by prepare")
    }
    return matrix
  }

  /// A weight that does not stay.
  func load(_ parameter: Parameter) throws -> StoredTensor { try source.load(parameter) }

  /// Some rows of a weight, in this order.
  func weight(_ parameter: Parameter, rows: [Int]) throws -> CPUWeight {
    try CPUWeight(source.loadRows(rows, of: parameter.name), isPacked: false, on: device)
  }

  /// The packed codes of a linear layer's weight, unless it multiplies in floating point.
  func int8Matrix(_ parameter: Parameter) -> sana_int8_matrix? {
    weights[CPUWeightKey(name: parameter.name, isPacked: true)]?.int8Matrix
  }

  /// A bias, a norm's weight or a depthwise kernel.
  func vector(_ parameter: Parameter) -> UnsafePointer<Float> {
    guard let floats = weights[CPUWeightKey(name: parameter.name, isPacked: false)]?.floats else {
      preconditionFailure("\(parameter.name) is no vector, or not made resident by prepare")
    }
    return floats
  }

  /// The vector of the first batch element, and the distance to the next one's.
  func modulation(_ row: ModulationRow, channels: Int) -> (UnsafePointer<Float>, stride: Int) {
    (UnsafePointer(floats(row.value) + row.index * channels), shape(row.value).channels)
  }

  /// - Returns: how long each part of the step took.
  private func execute(
    _ step: CPUStep, _ scratch: UnsafeMutableRawPointer
  ) throws -> [Duration] {
    let clock = ContinuousClock()
    return switch step.form {
    case .node:
      [try clock.measure { try execute(graph.nodes[step.nodes.upperBound], scratch) }]
    case .chain(let chain):
      [clock.measure { compute(chain, scratch) }]
    case .cascade(let cascade):
      try compute(cascade, scratch)
    case .mixFeedForward(let step):
      try compute(step, scratch)
    case .captionAttention(let step):
      compute(step, scratch)
    case .linearAttention(let step):
      try compute(step, scratch)
    }
  }

  private func execute(_ node: Node, _ scratch: UnsafeMutableRawPointer) throws {
    let output = node.output
    switch node.operation {
    case .linear(let operation): try compute(operation, output, scratch)
    case .groupedLinear(let operation): compute(operation, output, scratch)
    case .convolution(let operation): compute(operation, output, scratch)
    case .upsampleConvolution(let operation): compute(operation, output, scratch)
    case .depthwiseConvolution(let operation): compute(operation, output)
    case .rmsNorm(let operation): compute(operation, output)
    case .modulatedLayerNorm(let operation): compute(operation, output)
    case .reluAttention(let operation): compute(operation, output, scratch)
    case .crossAttention(let operation): compute(operation, output, scratch)
    case .causalAttention(let operation): try compute(operation, output, scratch)
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
