internal import SanaGraph
internal import Support
internal import WeightFormats

/// One component's weights on a device, decoded to f32.
final class VulkanModel: ResidentModel {
  let source: any WeightSource
  let device: VulkanDevice
  private let precision: ComputePrecision
  private var weights: [String: VulkanWindow] = [:]

  init(_ source: any WeightSource, precision: ComputePrecision, on device: VulkanDevice) {
    self.source = source
    self.precision = precision
    self.device = device
  }

  var residentBytes: Int { weights.values.reduce(0) { $0 + MemoryPlan.aligned($1.range.count) } }

  func plan(_ graph: Graph, _ choices: ExecutionChoices) throws -> any PlannedGraph {
    let weights = try graph.parameters.filter { $0.access == .whole }.map { parameter in
      let description = try source.description(of: parameter)
      guard precision == .f32 || description.activations == .floatingPoint else {
        throw SanaError(
          .unsupported, "the Vulkan back end has no products of int8 activations",
          remedy: "choose --precision f32, or --device cpu", location: parameter.name)
      }
      let bytes = description.elementCount * MemoryLayout<Float>.size
      return ExecutionPlan.Weight(
        name: parameter.name, byteCount: MemoryPlan.aligned(bytes),
        stagingBytes: VulkanTransfer.byteCount, isResident: true)
    }
    let tables = try VulkanTable.all(of: graph)
    let steps = graph.nodes.indices.map {
      MemoryPlan.Step(node: $0, of: graph, scratchBytes: VulkanStep.scratchBytes(graph, node: $0))
    }
    let plan = ExecutionPlan(
      graph: graph, choices: choices,
      steps: graph.nodes.indices.map {
        ExecutionPlan.Step(nodes: $0...$0, form: "node", segment: 0)
      },
      memory: MemoryPlan(graph, steps: steps),
      weights: weights
        + tables.map {
          ExecutionPlan.Weight(
            name: $0.name, byteCount: MemoryPlan.aligned($0.byteCount),
            stagingBytes: VulkanTransfer.byteCount, isResident: true)
        },
      slotBytes: 0, slotStagingBytes: 0)
    try checkSizes(plan)
    return VulkanPlan(plan: plan, tables: tables, model: self)
  }

  /// - Throws: `.unsupported` for what kernels of the device cannot be given.
  private func checkSizes(_ plan: ExecutionPlan) throws {
    let limit = min(device.capabilities.storageRange, device.capabilities.bufferBytes)
    for value in plan.graph.values where value.byteCount > limit {
      throw SanaError(
        .unsupported,
        "an activation of \(value.byteCount) bytes is more than kernels of this device can be given",
        remedy: "draw a smaller picture, or choose --device cpu")
    }
    for weight in plan.weights where weight.byteCount > limit {
      throw SanaError(
        .unsupported,
        "a weight of \(weight.byteCount) bytes is more than kernels of this device can be given",
        remedy: "choose --device cpu", location: weight.name)
    }
    for node in plan.graph.nodes {
      let rows = plan.graph[node.output].shape.rows
      guard rows <= VulkanStep.greatestRows else {
        throw SanaError(
          .unsupported,
          "an activation of \(rows) positions is more than kernels of this device can be given",
          remedy: "draw a smaller picture, or choose --device cpu")
      }
      guard let size = node.operation.softmaxHeadDimension, size > VulkanStep.greatestHead else {
        continue
      }
      throw SanaError(
        .unsupported,
        "attention with heads of \(size) channels is more than kernels of this device can be given",
        remedy: "choose --device cpu")
    }
  }

  func run(_ executables: [any Executable], _ context: RunContext) throws {
    for executable in executables { try executable.run(context) }
  }

  /// Graphs share no memory here.
  func releaseWorkspace() {}

  fileprivate func prepare(
    _ plan: ExecutionPlan, _ tables: [VulkanTable], _ context: RunContext
  ) throws -> any Executable {
    let transfer = try VulkanTransfer(device)
    let missing = plan.graph.parameters.filter { $0.access == .whole && weights[$0.name] == nil }
    var room = missing.reduce(0) { $0 + MemoryPlan.aligned($1.shape.reduce(4, *)) }
    var block: VulkanBlock?
    for parameter in missing {
      try context.cancellation?.check()
      context.onProgress?()
      let bytes = parameter.shape.reduce(4, *)
      if block?.hasRoom(for: bytes) != true {
        block = try VulkanBlock(
          byteCount: max(min(room, VulkanBlock.greatestBytes), MemoryPlan.aligned(bytes)),
          for: .weights, "weights", on: device)
      }
      guard let window = block?.take(bytes) else { preconditionFailure("there is room") }
      room -= MemoryPlan.aligned(bytes)
      try transfer.write(floats(of: parameter), to: window)
      weights[parameter.name] = window
    }
    let executable = try VulkanExecutable(plan, model: self, weights, tables)
    for table in tables {
      guard let floats = try table.contents(source) else { continue }
      try transfer.write(floats, to: executable.window(of: table))
    }
    return executable
  }

  /// The weights of an operation's input as it is.
  private func floats(of parameter: Parameter) throws -> [Float] {
    let description = try source.description(of: parameter)
    var floats = try Self.floats(source.load(description))
    if description.activations.isTransformed {
      let transformation = try source.inputTransformation(of: description)
      floats.withUnsafeMutableBufferPointer {
        transformation.undo(in: $0, columns: description.columns)
      }
    }
    return floats
  }

  /// The numbers that a tensor stands for.
  /// - Throws: `.corruptFile` where it is shorter than its shape says, `.unsupported` for one that
  ///   is no weight.
  static func floats(_ tensor: StoredTensor) throws -> [Float] {
    let description = tensor.description
    let scales = tensor.scales.map { scales in
      (0..<scales.bytes.count / 4).map {
        scales.bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self)
      }
    }
    guard tensor.values.bytes.count == description.valueByteCount,
      (scales?.count ?? 0) == description.scaleCount
    else {
      throw SanaError(
        .corruptFile,
        "tensor '\(description.name.abbreviated)' has another length than its shape says",
        remedy: "make the model file again", location: description.name)
    }
    let elements = (scales ?? []).withUnsafeBufferPointer {
      description.decode(tensor.values, scales: $0, rows: description.rows)
    }
    guard let elements else {
      throw SanaError(
        .unsupported,
        "tensor '\(description.name.abbreviated)' is stored as plain numbers, not as a weight",
        remedy: "convert the checkpoint again", location: description.name)
    }
    let floats = elements.converted(to: .f32)
    return [Float](unsafeUninitializedCapacity: description.elementCount) { memory, count in
      floats.write(
        as: .f32,
        to: UnsafeMutableRawBufferPointer(
          UnsafeMutableBufferPointer(rebasing: memory[..<description.elementCount])))
      count = description.elementCount
    }
  }
}

/// A plan in which every node is a step and every weight stays.
private final class VulkanPlan: PlannedGraph {
  let plan: ExecutionPlan
  private let tables: [VulkanTable]
  private let model: VulkanModel

  init(plan: ExecutionPlan, tables: [VulkanTable], model: VulkanModel) {
    self.plan = plan
    self.tables = tables
    self.model = model
  }

  func prepare(_ context: RunContext) throws -> any Executable {
    try model.prepare(plan, tables, context)
  }
}

/// A buffer that windows are taken from, one after the other.
final class VulkanBlock {
  /// No more than so many bytes at once: some drivers give no more than 2 GiB, and large blocks
  /// leave large holes.
  static let greatestBytes = 256 << 20

  private let buffer: VulkanBuffer
  private var taken = 0

  init(
    byteCount: Int, for purpose: MemoryLedger.Purpose, _ what: String, on device: VulkanDevice
  ) throws {
    buffer = try device.buffer(byteCount: byteCount, for: purpose, what)
  }

  func hasRoom(for bytes: Int) -> Bool {
    taken + MemoryPlan.aligned(bytes) <= buffer.byteCount
  }

  func take(_ bytes: Int) -> VulkanWindow {
    defer { taken += MemoryPlan.aligned(bytes) }
    return VulkanWindow(buffer: buffer, range: taken..<taken + bytes)
  }
}

/// Copies between the host and a device, by way of memory that both see.
final class VulkanTransfer {
  /// Of that memory.
  static let byteCount = 16 << 20

  private let device: VulkanDevice
  private let staging: VulkanBuffer

  init(_ device: VulkanDevice) throws {
    self.device = device
    staging = try device.buffer(
      byteCount: Self.byteCount, for: .staging, isHostVisible: true, "copies to the device")
  }

  func write<Number>(_ numbers: [Number], to window: VulkanWindow) throws {
    try numbers.withUnsafeBytes { source in
      precondition(source.count == window.range.count)
      try forEachPart(of: window) { offset, part, staged in
        staging.bytes.copyMemory(
          from: UnsafeRawBufferPointer(rebasing: source[offset..<offset + part.range.count]))
        try copy(staged, to: part)
      }
    }
  }

  func read<Number>(_ window: VulkanWindow, as type: Number.Type) throws -> [Number] {
    let count = window.range.count / MemoryLayout<Number>.stride
    return try [Number](unsafeUninitializedCapacity: count) { numbers, initialized in
      let target = UnsafeMutableRawBufferPointer(numbers)
      try forEachPart(of: window) { offset, part, staged in
        try copy(part, to: staged)
        UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + part.range.count])
          .copyMemory(
            from: UnsafeRawBufferPointer(rebasing: staging.bytes[..<part.range.count]))
      }
      initialized = count
    }
  }

  private func copy(_ from: VulkanWindow, to: VulkanWindow) throws {
    let commands = try VulkanCommands(dispatches: 0, buffers: 0, on: device)
    commands.barrier()
    commands.copy(from, to: to)
    commands.barrier()
    try commands.end()
    try commands.submit("a copy")
  }

  private func forEachPart(
    of window: VulkanWindow,
    _ body: (_ offset: Int, _ part: VulkanWindow, _ staged: VulkanWindow) throws -> Void
  ) rethrows {
    for start in stride(from: 0, to: window.range.count, by: Self.byteCount) {
      let count = min(Self.byteCount, window.range.count - start)
      let first = window.range.lowerBound + start
      try body(
        start, VulkanWindow(buffer: window.buffer, range: first..<first + count),
        VulkanWindow(buffer: staging, range: 0..<count))
    }
  }
}
