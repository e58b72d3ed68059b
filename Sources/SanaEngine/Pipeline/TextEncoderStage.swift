public import SanaGraph
internal import SanaModels
internal import Support
public import WeightFormats

/// The text encoder with its weights on a device. They are released with the object.
public final class TextEncoderStage: PreparedStage {
  let encoder: GemmaEncoder
  private let model: any ResidentModel
  let instruction: InstructionState?
  private var check: FiniteCheck
  private let choices: StageChoices
  private let ledger: MemoryLedger
  var context: RunContext { didSet { check.cancellation = context.cancellation } }

  /// - Throws: `.tensorMismatch` when the source holds an instruction's state that is not of this network, and what reading it throws.
  public convenience init(
    _ configuration: TextEncoderConfiguration, source: any WeightSource, backend: any Backend,
    context: RunContext = RunContext()
  ) throws {
    try self.init(
      configuration, source: source, backend: backend, choices: StageChoices(),
      ledger: backend.ledger, context: context)
  }

  /// - Parameter ledger: counts what the stage holds.
  init(
    _ configuration: TextEncoderConfiguration, source: any WeightSource, backend: any Backend,
    choices: StageChoices, ledger: MemoryLedger, context: RunContext
  ) throws {
    encoder = GemmaEncoder(configuration)
    model = backend.load(source, ledger: ledger)
    self.choices = choices
    self.ledger = ledger
    check = FiniteCheck(.textEncoder, source, backend, context.cancellation)
    self.context = context
    instruction = try InstructionState(source, for: configuration)
  }

  /// What the stage holds of a model for prompts.
  static func memory(
    _ configuration: TextEncoderConfiguration, source: any WeightSource, backend: any Backend,
    choices: StageChoices, prompts: [PreparedPrompt]
  ) throws -> StageMemory {
    let encoder = GemmaEncoder(configuration)
    let instruction = try InstructionState(source, for: configuration)
    let remainders = Set(
      prompts.map { instruction?.remainder(of: $0) ?? 0..<$0.tokens.count }
    ).filter { !$0.isEmpty }
    var memory = StageMemory()
    for remainder in remainders {
      let graph = encoder.graph(
        tokens: remainder.count, after: instruction?.tokens(before: remainder), batch: 1
      ).graph
      memory.add(passing: try backend.plan(graph, weights: source, choices.passing))
    }
    memory.tensorBytes =
      Self.hiddenStateBytes(tokens: remainders.map(\.count).max() ?? 0, configuration)
      + Caption.byteCount(prompts, configuration)
    return memory
  }

  /// Bytes of the hidden states of some tokens, and of what is picked of them.
  private static func hiddenStateBytes(
    tokens: Int, _ configuration: TextEncoderConfiguration
  ) -> Int {
    2 * tokens * configuration.hiddenSize * MemoryLayout<Float>.size
  }

  func rest() { model.releaseWorkspace() }

  /// The last hidden state of every token, `[1, tokens, hiddenSize]`.
  ///
  /// - Parameters:
  ///   - tokens: those that exist, without padding; at least one.
  ///   - fusion: `.observable` when the observer is to see every named value.
  /// - Throws: `.invalidArgument` for an id that the network has no row for, `.numericalFailure`, and what the back end throws.
  public func encode(
    _ tokens: [Int32], fusion: GraphBuilder.Fusion = .full, observer: ValueObserver? = nil
  ) throws -> HostTensor {
    try encode(tokens[...], after: nil, fusion: fusion, observer: observer)
  }

  /// Whether the model file holds what the network makes of a prompt's first tokens.
  public func knowsBeginning(of prompt: PreparedPrompt) -> Bool {
    (instruction?.positions(sharedWith: prompt) ?? 0) > 0
  }

  /// The caption of a prepared prompt. What the model file knows of the prompt's beginning is not computed again.
  /// - Throws: as `encode`.
  public func caption(of prompt: PreparedPrompt) throws -> Caption {
    let remainder = instruction?.remainder(of: prompt) ?? 0..<prompt.tokens.count
    return try ledger.holding(
      Self.hiddenStateBytes(tokens: remainder.count, encoder.configuration), for: .kept,
      "the hidden states of a prompt"
    ) { try caption(of: prompt, computing: remainder) }
  }

  private func caption(
    of prompt: PreparedPrompt, computing remainder: Range<Int>
  ) throws -> Caption {
    guard let instruction, knowsBeginning(of: prompt) else {
      return Caption(
        lastHiddenState: try encode(prompt.tokens), selecting: prompt.captionRows)
    }
    let first = Caption(
      rows: HostTensor(
        .tokens(batch: 1, count: 1, channels: encoder.configuration.hiddenSize),
        instruction.firstHiddenState))
    guard !remainder.isEmpty else { return first }
    let hiddenState = try encode(
      prompt.tokens[remainder], after: instruction.tokens(before: remainder))
    let others = Caption(
      lastHiddenState: hiddenState,
      selecting: prompt.captionRows.dropFirst().map { $0 - remainder.lowerBound })
    return first.followed(by: others)
  }

  /// - Throws: `.numericalFailure`, naming the value and the weight that is to blame.
  func requireFinite(_ tensor: HostTensor, _ name: String, _ tokens: [Int32]) throws {
    try check.require(
      tensor, name, from: [encoder.graph(tokens: tokens.count, batch: 1).graph],
      rows: tokens.map { Int($0) })
  }

  private func encode(
    _ tokens: ArraySlice<Int32>, after earlier: GemmaEncoder.EarlierTokens?,
    fusion: GraphBuilder.Fusion = .full, observer: ValueObserver? = nil
  ) throws -> HostTensor {
    let vocabulary = encoder.configuration.vocabularySize
    guard !tokens.isEmpty, tokens.allSatisfy({ 0..<Int32(clamping: vocabulary) ~= $0 }) else {
      throw SanaError(
        .invalidArgument, "the prompt's tokens are not all among the text encoder's \(vocabulary)",
        remedy: "convert the checkpoint again with the tokenizer that belongs to it")
    }
    let parts = encoder.graph(tokens: tokens.count, after: earlier, batch: 1, fusion: fusion)
    let executable = try model.prepare(parts.graph, choices.passing, context)
    executable.write(
      HostTensor(.tokens(batch: 1, count: tokens.count, channels: 1), integers: Array(tokens)),
      to: parts.inputIdentifiers)
    try executable.run(context.observed(by: observer))
    let hiddenState = executable.read(parts.lastHiddenState)
    try check.require(
      hiddenState, "last_hidden_state", from: [parts.graph], rows: tokens.map { Int($0) })
    return hiddenState
  }
}
