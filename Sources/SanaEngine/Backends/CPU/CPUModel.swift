internal import SanaGraph
internal import WeightFormats

/// One component's weights on the CPU.
final class CPUModel: ResidentModel {
  let source: any WeightSource
  let device: CPUDevice
  let ledger: MemoryLedger
  let workspace: CPUWorkspace
  private var weights: [CPUWeightKey: CPUWeight] = [:]
  private var weightBytes = 0
  /// That of the graphs prepared last whose weights are streamed: those with the same weights
  /// share it.
  private weak var shared: CPUWeightStream?

  init(source: any WeightSource, device: CPUDevice, ledger: MemoryLedger) {
    self.source = source
    self.device = device
    self.ledger = ledger
    workspace = CPUWorkspace(ledger: ledger)
  }

  var residentBytes: Int { weightBytes }

  func plan(_ graph: Graph, _ choices: ExecutionChoices) throws -> any PlannedGraph {
    try CPUPlan(graph, choices, for: self)
  }

  func prepare(_ plan: CPUPlan, _ context: RunContext) throws -> any Executable {
    try device.pool.observing(context.cancellation) {
      try load(plan, context)
      let stream = try stream(for: plan)
      return try CPUExecutable(plan, model: self, stream: stream)
    }
  }

  private func stream(for plan: CPUPlan) throws -> CPUWeightStream? {
    guard plan.plan.slotBytes > 0 else { return nil }
    if let shared, shared.isOf(plan) { return shared }
    let stream = try CPUWeightStream(plan, source: source, device: device, ledger: ledger)
    // A graph that runs once has its own.
    if plan.plan.choices.residency != .once { shared = stream }
    return stream
  }

  /// Makes the weights resident that stay.
  private func load(_ plan: CPUPlan, _ context: RunContext) throws {
    let missing = plan.resident.filter { weights[$0.key] == nil }
    let stagingBytes = missing.map(\.staging.byteCount).max() ?? 0
    var own: AlignedMemory?
    if plan.plan.choices.sharesWorkspace {
      try workspace.reserve(stagingBytes, "loading weights")
    } else {
      own = try AlignedMemory(
        byteCount: stagingBytes, .staging, of: ledger, "loading weights")
    }
    try withExtendedLifetime(own) {
      for weight in missing {
        try context.cancellation?.check()
        context.onProgress?()
        let memory = try AlignedMemory(
          byteCount: weight.form.byteCount, .weights, of: ledger, weight.description.name)
        weights[weight.key] = try CPUWeight(
          weight, from: source, to: memory.start, of: memory,
          staging: own?.start ?? (stagingBytes > 0 ? workspace.start : memory.start), on: device,
          device.pool)
        weightBytes += weight.form.byteCount
      }
    }
    // The last weight may have been packed in part.
    try context.cancellation?.check()
  }

  func releaseWorkspace() { workspace.release() }

  /// A weight that stays.
  func resident(_ key: CPUWeightKey) -> CPUWeight? { weights[key] }

  func run(_ executables: [any Executable], _ context: RunContext) throws {
    let executables = executables.map { executable in
      guard let executable = executable as? CPUExecutable, executable.model === self else {
        preconditionFailure("an executable of another model")
      }
      return executable
    }
    guard let first = executables.first else { return }
    precondition(executables.allSatisfy { $0.stream === first.stream })
    try device.pool.observing(context.cancellation) {
      for executable in executables { executable.context = context }
      defer { for executable in executables { executable.context = RunContext() } }
      for executable in executables { try executable.reserveWorkspace() }
      first.stream?.begin()
      defer { first.stream?.end() }
      for part in first.planned.parts.indices {
        try first.stream?.take(part, context)
        for executable in executables { try executable.run(part) }
      }
      for executable in executables { try executable.handOverStoredRows() }
    }
  }
}
