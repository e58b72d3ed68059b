package import SanaGraph
internal import Support
internal import WeightFormats

/// A graph with its weights, its arena on the device, and its recorded commands.
final class VulkanExecutable: Executable {
  let plan: ExecutionPlan
  private let model: VulkanModel
  private let weights: [String: VulkanWindow]
  private let tables: [VulkanTable.Key: VulkanWindow]
  private let arena: VulkanBuffer?
  private let transfer: VulkanTransfer
  /// What was written to inputs of integers: rows are looked up by them on the host.
  private var integers: [Value: [Int32]] = [:]
  private var recorded: [Bool: [Part]] = [:]
  /// What went wrong on the device where nobody could be told.
  private var failure: (any Error)?

  /// Nodes that are submitted at once.
  private struct Part {
    let nodes: Range<Int>
    let commands: VulkanCommands
  }

  init(
    _ plan: ExecutionPlan, model: VulkanModel, _ weights: [String: VulkanWindow],
    _ tables: [VulkanTable]
  ) throws {
    self.plan = plan
    self.model = model
    self.weights = weights
    let device = model.device
    arena =
      plan.arenaBytes > 0
      ? try device.buffer(
        byteCount: plan.arenaBytes, for: .arena, "the activations of \(plan.graph.name)") : nil
    transfer = try VulkanTransfer(device)
    let bytes = tables.reduce(0) { $0 + MemoryPlan.aligned($1.byteCount) }
    var windows: [VulkanTable.Key: VulkanWindow] = [:]
    if bytes > 0 {
      let block = try VulkanBlock(byteCount: bytes, for: .weights, "tables", on: device)
      for table in tables { windows[table.key] = block.take(table.byteCount) }
    }
    self.tables = windows
  }

  // MARK: Where things are

  func window(of value: Value) -> VulkanWindow {
    guard let arena else { preconditionFailure("a graph with a value has an arena") }
    let offset = plan.memory[value].offset
    return VulkanWindow(buffer: arena, range: offset..<offset + graph[value].byteCount)
  }

  func window(of parameter: Parameter) -> VulkanWindow {
    guard let window = weights[parameter.name] else {
      preconditionFailure("\(parameter.name) is made resident by prepare")
    }
    return window
  }

  func window(of table: VulkanTable) -> VulkanWindow { window(of: table.key) }

  func window(of table: VulkanTable.Key) -> VulkanWindow {
    guard let window = tables[table] else { preconditionFailure("the plan lists every table") }
    return window
  }

  func scratch(of node: Int) -> VulkanWindow {
    guard let arena else { preconditionFailure("a graph with a value has an arena") }
    let offset = plan.memory.scratchOffsets[node]
    let bytes = VulkanStep.scratchBytes(graph, node: node)
    return VulkanWindow(buffer: arena, range: offset..<offset + bytes)
  }

  // MARK: Running

  func write(_ tensor: HostTensor, to input: Value) {
    precondition(tensor.shape == graph[input].shape, "\(tensor.shape) for \(graph[input].shape)")
    // The run that follows says what went wrong.
    do {
      switch tensor.storage {
      case .floats(let values):
        precondition(graph[input].precision == .f32)
        try transfer.write(values, to: window(of: input))
      case .integers(let values):
        precondition(graph[input].precision == .i32)
        integers[input] = values
        try transfer.write(values, to: window(of: input))
      }
    } catch { failure = failure ?? error }
  }

  func read(_ output: Value) -> HostTensor {
    let (shape, window) = (graph[output].shape, window(of: output))
    // Numbers that nobody takes for results, where the device does not answer.
    if graph[output].precision == .i32 {
      let values = try? transfer.read(window, as: Int32.self)
      return HostTensor(
        shape, integers: values ?? [Int32](repeating: .min, count: shape.elementCount))
    }
    let values = try? transfer.read(window, as: Float.self)
    return HostTensor(shape, values ?? [Float](repeating: .nan, count: shape.elementCount))
  }

  func run(_ context: RunContext) throws {
    if let failure { throw failure }
    try lookUpRows()
    let isWatched = context.observer != nil || context.onStep != nil
    for part in try parts(nodeByNode: isWatched) {
      try context.cancellation?.check()
      let duration = try ContinuousClock().measure {
        try part.commands.submit("the graph \(graph.name)")
      }
      for position in part.nodes {
        let node = graph.nodes[position]
        context.onProgress?()
        if isWatched {
          context.onStep?(
            ExecutedStep(
              nodes: [node], operationCount: graph.operationCount(of: node), arithmetic: .f32,
              duration: duration), graph)
        }
        guard let observer = context.observer else { continue }
        for name in graph[node.output].names { try observer(name, read(node.output)) }
      }
    }
    guard let onRows = context.onRows else { return }
    let output = read(graph.outputs[0])
    try output.values.withUnsafeBufferPointer { try onRows(0..<output.shape.height, $0) }
  }

  /// Brings the rows that inputs ask for to the device.
  private func lookUpRows() throws {
    for (position, node) in graph.nodes.enumerated() {
      guard case .embeddingLookup(let operation) = node.operation else { continue }
      guard let identifiers = integers[operation.identifiers] else {
        preconditionFailure("identifiers are inputs, written before a run")
      }
      _ = try model.source.description(of: operation.table)
      let rows = try model.source.loadRows(
        operation.rows(of: identifiers), of: operation.table.name)
      try transfer.write(
        VulkanModel.floats(rows), to: window(of: .init(node: position, use: .rows)))
    }
  }

  /// The graph's commands, recorded when they are first asked for.
  private func parts(nodeByNode: Bool) throws -> [Part] {
    if let parts = recorded[nodeByNode] { return parts }
    var parts: [Part] = []
    var first = 0
    for node in graph.nodes.indices where nodeByNode || endsPart(first...node) {
      parts.append(try record(first..<node + 1))
      first = node + 1
    }
    recorded[nodeByNode] = parts
    return parts
  }

  /// Operations after which a part ends, so that nobody waits long for a run to be cancelled and no
  /// watchdog takes the device for hung.
  private static let operationsAtOnce = 20_000_000_000

  private func endsPart(_ nodes: ClosedRange<Int>) -> Bool {
    nodes.upperBound == graph.nodes.count - 1
      || nodes.reduce(0) { $0 + graph.operationCount(of: graph.nodes[$1]) } > Self.operationsAtOnce
  }

  private func record(_ nodes: Range<Int>) throws -> Part {
    let dispatches = nodes.flatMap {
      VulkanStep(executable: self, graph: graph, position: $0).dispatches
    }
    let commands = try VulkanCommands(
      dispatches: dispatches.count, buffers: dispatches.reduce(0) { $0 + $1.operands.count },
      on: model.device)
    var recording = VulkanRecording()
    // What other commands and the host wrote.
    recording.addBarrier()
    commands.barrier()
    for dispatch in dispatches {
      if recording.add(dispatch.accesses) { commands.barrier() }
      try commands.dispatch(
        dispatch, model.device.pipeline(dispatch.kernel, dispatch.constants))
    }
    commands.barrier()
    try commands.end()
    return Part(nodes: nodes, commands: commands)
  }

  /// What the graph's kernels read and write, and the barriers between them.
  var recording: VulkanRecording {
    var recording = VulkanRecording()
    for node in graph.nodes.indices {
      for dispatch in VulkanStep(executable: self, graph: graph, position: node).dispatches {
        _ = recording.add(dispatch.accesses)
      }
    }
    return recording
  }
}

/// The recording of an executable of this back end; nil for others.
package func vulkanRecording(of executable: any Executable) -> VulkanRecording? {
  (executable as? VulkanExecutable)?.recording
}
