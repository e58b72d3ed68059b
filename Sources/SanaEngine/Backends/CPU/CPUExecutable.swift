internal import CKernels
internal import SanaGraph
internal import WeightFormats

/// A graph, its weights and its memory. The operations are in the extensions, one file a family.
final class CPUExecutable: Executable {
  let planned: CPUPlan
  let model: CPUModel
  let device: CPUDevice
  let stream: CPUWeightStream?
  /// What outlasts segments, where it is kept apart.
  private let kept: AlignedMemory?
  /// All other memory, unless it is the model's workspace.
  private let work: AlignedMemory?
  /// Of the run that goes on.
  var context = RunContext()

  var plan: ExecutionPlan { planned.plan }
  var graph: Graph { planned.plan.graph }
  var kernels: sana_kernels { device.kernels }
  var pool: ThreadPool { device.pool }

  /// - Throws: `SanaError` `.memoryLimit` when the ledger or the system refuses the memory.
  init(_ planned: CPUPlan, model: CPUModel, stream: CPUWeightStream?) throws {
    self.planned = planned
    self.model = model
    self.device = model.device
    self.stream = stream
    let memory = planned.plan.memory
    let name = planned.graph.name
    kept =
      memory.keptBytes == 0
      ? nil
      : try AlignedMemory(
        byteCount: memory.keptBytes, .arena, of: model.ledger, "the activations of \(name)")
    work =
      planned.plan.choices.sharesWorkspace
      ? nil
      : try AlignedMemory(
        byteCount: memory.workBytes, .arena, of: model.ledger, "the activations of \(name)")
    try reserveWorkspace()
  }

  /// Makes sure that the workspace, where it is used, is large enough.
  func reserveWorkspace() throws {
    guard work == nil else { return }
    try model.workspace.reserve(
      max(plan.memory.workBytes, 1), "the activations of \(graph.name)")
  }

  private var workStart: UnsafeMutableRawPointer { work?.start ?? model.workspace.start }

  /// Where a value is.
  private func start(of value: Value) -> UnsafeMutableRawPointer {
    let place = plan.memory[value]
    guard place.isKept else { return workStart + place.offset }
    guard let kept else { preconditionFailure("there is no memory that outlasts segments") }
    return kept.start + place.offset
  }

  func write(_ tensor: HostTensor, to input: Value) {
    precondition(tensor.shape == graph[input].shape, "\(tensor.shape) for \(graph[input].shape)")
    let target = start(of: input)
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

  func copy(_ output: Value, of other: any Executable, to input: Value) {
    guard let other = other as? CPUExecutable else {
      return write(other.read(output), to: input)
    }
    precondition(
      other.graph[output].shape == graph[input].shape
        && other.graph[output].precision == graph[input].precision)
    start(of: input).copyMemory(
      from: other.start(of: output), byteCount: graph[input].byteCount)
  }

  func run(_ context: RunContext) throws { try model.run([self], context) }

  /// Runs the steps of a part of the plan.
  func run(_ part: Int) throws {
    for index in planned.parts[part] {
      let step = planned.steps[index]
      let scratch = workStart + plan.memory.scratchOffsets[index]
      try context.cancellation?.check()
      if case .node = step.form {
        try context.operandObserver?(graph.nodes[step.nodes.upperBound], graph, read)
      }
      let durations = try execute(step, scratch)
      // A loop that the cancellation ended has left numbers behind that mean nothing.
      try context.cancellation?.check()
      context.onProgress?()
      if let onStep = context.onStep {
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
      guard let observer = context.observer, plan.memory.places[output.index] != nil else {
        continue
      }
      for name in graph[output].names { try observer(name, read(output)) }
    }
  }

  /// All rows at once of an output that is stored although they are to be handed over.
  func handOverStoredRows() throws {
    let output = graph.outputs[0]
    guard let onRows = context.onRows, plan.memory.places[output.index] != nil else { return }
    try onRows(
      0..<shape(output).height,
      UnsafeBufferPointer(start: floats(output), count: shape(output).elementCount))
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
    return start(of: value).assumingMemoryBound(to: Float.self)
  }

  func integers(_ value: Value) -> [Int32] {
    precondition(graph[value].precision == .i32)
    let start = start(of: value).assumingMemoryBound(to: Int32.self)
    return Array(UnsafeBufferPointer(start: start, count: shape(value).elementCount))
  }

  private func weight(_ parameter: Parameter, isForInt8Activations: Bool) -> CPUWeight? {
    let key = CPUWeightKey(name: parameter.name, isForInt8Activations: isForInt8Activations)
    return stream?[key] ?? model.resident(key)
  }

  /// A matrix in its stored encoding.
  func matrix(_ parameter: Parameter) -> sana_matrix {
    guard let matrix = weight(parameter, isForInt8Activations: false)?.matrix else {
      preconditionFailure("\(parameter.name) is no matrix, or not in memory")
    }
    return matrix
  }

  /// Some rows of a weight, in this order.
  func weight(_ parameter: Parameter, rows: [Int]) throws -> CPUWeight {
    try CPUWeight(model.source.loadRows(rows, of: parameter.name, on: pool))
  }

  /// The packed codes of a weight, unless it is multiplied in floating point or as it is stored.
  func int8Matrix(_ parameter: Parameter) -> sana_int8_matrix? {
    weight(parameter, isForInt8Activations: true)?.int8Matrix
  }

  /// The codes, as they are stored, that rows of int8 activations are multiplied by, and how these
  /// are made.
  func storedCodes(_ parameter: Parameter) -> (codes: sana_matrix, coding: sana_row_coding)? {
    guard let weight = weight(parameter, isForInt8Activations: true), let codes = weight.matrix,
      let coding = weight.codesCoding
    else { return nil }
    return (codes, coding)
  }

  /// A bias, a norm's weight or a depthwise kernel.
  func vector(_ parameter: Parameter) -> UnsafePointer<Float> {
    guard let floats = weight(parameter, isForInt8Activations: false)?.floats else {
      preconditionFailure("\(parameter.name) is no vector, or not in memory")
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
    case .linear(let operation): compute(operation, output, scratch)
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
