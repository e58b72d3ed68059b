internal import SanaGraph
internal import Support
internal import WeightFormats

/// The weights of a graph that do not stay, in memory for one part of a run at a time: one thread
/// of the pool loads those of the next part that has some while the others compute.
final class CPUWeightStream {
  private let parts: [[CPUPlannedWeight]]
  private let source: any WeightSource
  private let device: CPUDevice
  /// In one of which are the weights of the part that runs.
  private let slots: [AlignedMemory]
  private let staging: AlignedMemory
  /// Of what is used where the file is mapped.
  private let mapped: MemoryClaim
  private let mappedBytes: Int
  private var current: [CPUWeightKey: CPUWeight] = [:]
  private var currentSlot = 0
  private var ahead: Ahead?
  /// What brings them, kept until it has ended.
  private var errand: PoolErrand?

  /// Weights on their way.
  private final class Ahead {
    let part: Int
    var result: Result<[CPUWeightKey: CPUWeight], any Error>?
    init(part: Int) { self.part = part }
  }

  init(
    _ plan: CPUPlan, source: any WeightSource, device: CPUDevice, ledger: MemoryLedger
  ) throws {
    parts = plan.streamed
    self.source = source
    self.device = device
    slots = try (0..<plan.slotCount).map { _ in
      try AlignedMemory(
        byteCount: plan.slotBytes, .weights, of: ledger, "weights that are streamed")
    }
    staging = try AlignedMemory(
      byteCount: plan.plan.slotStagingBytes, .staging, of: ledger,
      "weights on their way")
    mappedBytes = plan.mappedBytes
    mapped = try ledger.claim(
      mappedBytes, for: .weights, "weights that are used where the file is mapped")
  }

  /// Whether a plan streams the same weights.
  func isOf(_ plan: CPUPlan) -> Bool {
    parts.elementsEqual(plan.streamed) { $0.elementsEqual($1) { $0.key == $1.key } }
      && slots.count >= plan.slotCount && slots.allSatisfy { $0.bytes.count >= plan.slotBytes }
      && mappedBytes >= plan.mappedBytes
      && staging.bytes.count >= plan.plan.slotStagingBytes
  }

  subscript(key: CPUWeightKey) -> CPUWeight? { current[key] }

  func begin() {
    guard slots.count > 1, let first = next(after: -1) else { return }
    loadAhead(first, slot: 0)
    currentSlot = 1
  }

  /// Waits for what is on its way, and forgets all.
  func end() {
    _ = settle()
    current = [:]
  }

  /// Has the weights of a part in memory, and lets the next ones come.
  /// - Throws: what reading them throws; `.cancelled`.
  func take(_ part: Int, _ context: RunContext) throws {
    current = [:]
    guard !parts[part].isEmpty else { return }
    try context.cancellation?.check()
    context.onProgress?()
    guard slots.count > 1 else {
      current = try load(part, slot: 0, device.pool)
      try context.cancellation?.check()
      return
    }
    currentSlot = 1 - currentSlot
    if let ahead = settle(), ahead.part == part, let result = ahead.result {
      current = try result.get()
    } else {
      current = try load(part, slot: currentSlot, device.pool)
    }
    try context.cancellation?.check()
    if let next = next(after: part) { loadAhead(next, slot: 1 - currentSlot) }
  }

  /// Waits for the weights that are on their way; nil where nobody has fetched any.
  private func settle() -> Ahead? {
    defer {
      ahead = nil
      errand = nil
    }
    return ahead != nil && device.pool.settle() ? ahead : nil
  }

  private func next(after part: Int) -> Int? {
    parts.indices.first { $0 > part && !parts[$0].isEmpty }
  }

  private func loadAhead(_ part: Int, slot: Int) {
    let ahead = Ahead(part: part)
    let errand = PoolErrand { [unowned self] in
      ahead.result = Result { try self.load(part, slot: slot, SerialLoops()) }
    }
    self.errand = errand
    self.ahead = ahead
    device.pool.send(errand)
  }

  private func load(
    _ part: Int, slot: Int, _ loops: any LoopRunner
  ) throws -> [CPUWeightKey: CPUWeight] {
    var weights: [CPUWeightKey: CPUWeight] = [:]
    // Without a slot everything is used where the file is mapped, and nothing is written.
    let memory = slots.indices.contains(slot) ? slots[slot] : staging
    var offset = 0
    for weight in parts[part] {
      weights[weight.key] = try CPUWeight(
        weight, from: source, to: memory.start + offset, of: memory, staging: staging.start,
        on: device, loops)
      offset += MemoryPlan.aligned(weight.ownBytes)
    }
    return weights
  }
}
