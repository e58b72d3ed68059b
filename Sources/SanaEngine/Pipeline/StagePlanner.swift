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

  /// What a stage's main graphs are like.
  enum Form {
    /// There are none: what runs once is run leanly anyway.
    case once
    /// - Parameters:
    ///   - positions: image positions of the largest value: smaller bands than those are means.
    ///   - hasCaptions: whether captions may be given in place of keys and values.
    case again(positions: Int, hasCaptions: Bool)
  }

  private let cost: CostModel
  private let form: Form
  private let computeMemory: (StageChoices) throws -> StageMemory
  private let computeWhole: (StageChoices, StageMemory) throws -> StageMemory
  private var known: [StageChoices: StageMemory] = [:]
  private var knownWhole: [StageChoices: StageMemory] = [:]

  /// - Parameters:
  ///   - memory: what the stage holds with given choices, about: for what is typical of it.
  ///   - whole: what it holds for all that it is to do, never less.
  init(
    cost: CostModel, form: Form, memory: @escaping (StageChoices) throws -> StageMemory,
    ofAll whole: @escaping (StageChoices, StageMemory) throws -> StageMemory = { $1 }
  ) {
    self.cost = cost
    self.form = form
    computeMemory = memory
    computeWhole = whole
  }

  /// What the stage typically holds with given choices; each is planned once.
  private func typical(_ choices: StageChoices) throws -> StageMemory {
    if let memory = known[choices] { return memory }
    let memory = try computeMemory(choices)
    known[choices] = memory
    return memory
  }

  /// What the stage holds with given choices.
  func memory(_ choices: StageChoices) throws -> StageMemory {
    if let memory = knownWhole[choices] { return memory }
    let memory = try computeWhole(choices, typical(choices))
    knownWhole[choices] = memory
    return memory
  }

  /// The plan with given choices.
  func plan(_ choices: StageChoices) throws -> Plan {
    let memory = try memory(choices)
    return Plan(
      choices: choices, memory: memory, seconds: cost.seconds(choices, memory),
      fastestSeconds: cost.seconds(StageChoices(), try typical(StageChoices())))
  }

  /// - Parameter limit: bytes that the stage may hold; nil for any number.
  /// - Returns: the fastest plan that fits; the one that holds least where none does.
  func plan(limit: Int?) throws -> Plan {
    guard let limit else { return try plan(StageChoices()) }
    var typicalLimit = limit
    while true {
      guard let choices = try fastest(within: typicalLimit) else { return try plan(leanest()) }
      let plan = try plan(choices)
      if plan.memory.peakBytes <= limit { return plan }
      typicalLimit -= plan.memory.peakBytes - limit
    }
  }

  /// What the stage holds at least.
  func leastBytes() throws -> Int { try memory(leanest()).peakBytes }

  /// The choices that hold least. Of small networks, weights that stay may take less than memory
  /// for those that are streamed.
  private func leanest() throws -> StageChoices {
    var leanest = (choices: StageChoices(), bytes: try memory(StageChoices()).peakBytes)
    for choices in means.flatMap({ [$0, $0.streaming] }) {
      let bytes = try memory(choices).peakBytes
      if bytes < leanest.bytes { leanest = (choices, bytes) }
    }
    return leanest.choices
  }

  /// The fastest choices that typically fit; nil where none do.
  private func fastest(within limit: Int) throws -> StageChoices? {
    guard try typical(StageChoices()).peakBytes > limit else { return StageChoices() }
    var best: (choices: StageChoices, seconds: Double)?
    func consider(_ choices: StageChoices) throws {
      let seconds = cost.seconds(choices, try typical(choices))
      if seconds < best?.seconds ?? .infinity { best = (choices, seconds) }
    }
    for choices in means {
      if try typical(choices).peakBytes <= limit {
        try consider(choices)
      } else if try typical(choices.streaming).peakBytes <= limit {
        try consider(try fullest(choices, within: limit))
      }
    }
    return best?.choices
  }

  /// The choices that keep as many weights as the limit leaves room for.
  private func fullest(_ choices: StageChoices, within limit: Int) throws -> StageChoices {
    let leanest = try typical(choices.streaming)
    var choices = choices
    var weightBytes = leanest.weightBytes + limit - leanest.peakBytes
    while weightBytes > leanest.weightBytes {
      choices.residency = .streamed(weightBytes: weightBytes)
      let memory = try typical(choices)
      if memory.peakBytes <= limit { return choices }
      // Weights that stay are loaded through memory that others need not be.
      weightBytes -= memory.peakBytes - limit
    }
    return choices.streaming
  }

  /// All combinations of what saves memory beside streaming, the cheapest first.
  private var means: [StageChoices] {
    guard case .again(let positions, let hasCaptions) = form else { return [] }
    let bands = [nil] + CostModel.bandPositions.filter { $0 < positions }.map(Optional.some)
    return bands.flatMap { band in
      (hasCaptions ? [.keyValues, .captions] : [.keyValues]).map {
        StageChoices(captionForm: $0, bandPositions: band)
      }
    }
  }
}
