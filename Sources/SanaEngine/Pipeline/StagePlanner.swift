internal import SanaGraph

/// Finds the fastest way to run a stage within a limit.
final class StagePlanner {
  /// A way to run the stage, what it holds and about how long it takes.
  struct Plan {
    let choices: StageChoices
    let memory: StageMemory
    let seconds: Double
    /// Those of the plan that is fastest without a limit.
    let fastestSeconds: Double
  }

  let cost: CostModel
  /// Image positions of the stage's largest value: smaller bands than those are means.
  let positions: Int
  /// Whether steps may be given captions in place of keys and values.
  let hasCaptions: Bool
  private let computeMemory: (StageChoices) throws -> StageMemory
  private var known: [StageChoices: StageMemory] = [:]

  /// - Parameter memory: what the stage holds with given choices.
  init(
    cost: CostModel, positions: Int, hasCaptions: Bool,
    memory: @escaping (StageChoices) throws -> StageMemory
  ) {
    self.cost = cost
    self.positions = positions
    self.hasCaptions = hasCaptions
    computeMemory = memory
  }

  /// What the stage holds with given choices; each is planned once.
  private func memory(_ choices: StageChoices) throws -> StageMemory {
    if let memory = known[choices] { return memory }
    let memory = try computeMemory(choices)
    known[choices] = memory
    return memory
  }

  /// - Parameter limit: bytes that the stage may hold; nil for any number.
  /// - Returns: the fastest plan that fits; the one that holds least where none does.
  func plan(limit: Int?) throws -> Plan {
    let fastest = try memory(StageChoices())
    let fastestSeconds = cost.seconds(StageChoices(), fastest)
    func plan(_ choices: StageChoices, _ memory: StageMemory) -> Plan {
      Plan(
        choices: choices, memory: memory, seconds: cost.seconds(choices, memory),
        fastestSeconds: fastestSeconds)
    }
    guard let limit, fastest.peakBytes > limit else { return plan(StageChoices(), fastest) }
    var best: Plan?
    var least = plan(StageChoices(), fastest)
    for choices in means {
      let resident = try memory(choices)
      if resident.peakBytes <= limit {
        best = Self.faster(best, plan(choices, resident))
        continue
      }
      let streamed = choices.streaming
      let leanest = try memory(streamed)
      if leanest.peakBytes < least.memory.peakBytes { least = plan(streamed, leanest) }
      guard leanest.peakBytes <= limit else { continue }
      best = Self.faster(best, try fullest(streamed, leanest, limit, plan))
    }
    return best ?? least
  }

  /// The plan that keeps as many weights as the limit leaves room for.
  /// - Parameter leanest: what the stage holds when it keeps none.
  private func fullest(
    _ choices: StageChoices, _ leanest: StageMemory, _ limit: Int,
    _ plan: (StageChoices, StageMemory) -> Plan
  ) throws -> Plan {
    var choices = choices
    var weightBytes = leanest.weightBytes + limit - leanest.peakBytes
    while weightBytes > leanest.weightBytes {
      choices.residency = .streamed(weightBytes: weightBytes)
      let memory = try memory(choices)
      if memory.peakBytes <= limit { return plan(choices, memory) }
      // Weights that stay are loaded through memory that others need not be.
      weightBytes -= memory.peakBytes - limit
    }
    return plan(choices.streaming, leanest)
  }

  /// What the stage holds at least.
  func leastBytes() throws -> Int {
    try means.reduce(memory(StageChoices()).peakBytes) {
      min($0, try memory($1.streaming).peakBytes)
    }
  }

  private static func faster(_ first: Plan?, _ second: Plan) -> Plan {
    guard let first, first.seconds <= second.seconds else { return second }
    return first
  }

  /// All combinations of what saves memory beside streaming, the cheapest first.
  private var means: [StageChoices] {
    let bands = [nil] + CostModel.bandPositions.filter { $0 < positions }.map(Optional.some)
    return bands.flatMap { band in
      (hasCaptions ? [.keyValues, .captions] : [.keyValues]).map {
        StageChoices(captionForm: $0, bandPositions: band)
      }
    }
  }
}
