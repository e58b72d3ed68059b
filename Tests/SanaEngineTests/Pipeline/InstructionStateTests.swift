import CPUBackend
import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing
import Traces
import WeightFormats

/// What a text encoder makes of a prompt when its file holds the instruction's keys and values, against the whole computation.
@Suite struct InstructionStateTests {
  /// Decibels: what the order of sums in f32 leaves, here between a state of the CPU and the reference, too.
  private static let bound = 100.0

  private let directory: TestDirectory
  private let model: PipelineModel
  private let source: any WeightSource
  private let instruction: [Int32]
  /// What quantizing adds to the text encoder, in f32.
  private let state: [StoredTensor]

  private var withState: MemorySource { MemorySource(state, over: source) }

  init() throws {
    directory = try TestDirectory()
    model = try PipelineModel(path: try ConvertedModels.make("sana-tiny", in: directory))
    source = try model.source(for: .textEncoder)
    instruction = try PromptPreparation(tokenizer: model.tokenizer, instruction: .standard)
      .instructionTokens()
    state = try TextEncoderStage(
      model.textEncoder, source: source, backend: CPUBackend(precision: .f32)
    ).instructionTensors(of: instruction, encoding: .f32)
  }

  private func preparation(_ instruction: PromptInstruction) throws -> PromptPreparation {
    try PromptPreparation(tokenizer: model.tokenizer, instruction: instruction)
  }

  private func caption(
    _ prompt: PreparedPrompt, _ source: any WeightSource, _ backend: TestedBackend
  ) throws -> Caption {
    try TextEncoderStage(model.textEncoder, source: source, backend: backend.make())
      .caption(of: prompt)
  }

  private static let prompts = [
    "a fox", "", "7", "  A red circle, on a BLUE background!  ", "\u{1F98A}",
    "the " + String(repeating: "quick brown ", count: 90),
  ]

  @Test(arguments: TestedBackend.allCases, prompts)
  func aCaptionIsWhatTheWholeComputationGives(backend: TestedBackend, text: String) throws {
    let prompt = try preparation(.standard).prepare(text)
    let whole = try caption(prompt, source, backend)
    let continued = try caption(prompt, withState, backend)
    #expect(continued.rows.shape == whole.rows.shape)
    let comparison = try Comparison(reference: whole.rows.values, result: continued.rows.values)
    #expect(comparison.signalToNoiseDecibels > Self.bound, "\(comparison)")
  }

  /// Prompts that share little or nothing with the instruction.
  @Test(arguments: TestedBackend.allCases)
  func otherBeginningsAreComputed(backend: TestedBackend) throws {
    let prompts = [
      try preparation(.none).prepare("a fox"), try preparation(.none).prepareNegative("blurry"),
      try preparation(.custom("Given a user prompt, draw it: ")).prepare("a fox"),
    ]
    for prompt in prompts {
      let whole = try caption(prompt, source, backend)
      let continued = try caption(prompt, withState, backend)
      let comparison = try Comparison(reference: whole.rows.values, result: continued.rows.values)
      #expect(comparison.signalToNoiseDecibels > Self.bound, "\(comparison)")
    }
  }

  /// How many tokens the text encoder multiplied, run by run.
  private func computedTokens(_ prompt: PreparedPrompt, _ source: any WeightSource) throws -> [Int]
  {
    let backend = try CPUBackend(precision: .f32)
    var counts: [Int] = []
    let context = RunContext(onStep: { step, graph in
      guard case .embeddingLookup = step.nodes[0].operation else { return }
      counts.append(graph[step.nodes[0].output].shape.positions)
    })
    _ = try TextEncoderStage(
      model.textEncoder, source: source, backend: backend, context: context
    ).caption(of: prompt)
    return counts
  }

  @Test func onlyThePromptsOwnTokensAreComputed() throws {
    let prompt = try preparation(.standard).prepare("a fox")
    #expect(try computedTokens(prompt, source) == [prompt.tokens.count])
    // The caption has the row of the instruction's last token too.
    #expect(
      try computedTokens(prompt, withState) == [prompt.tokens.count - instruction.count])
    #expect(prompt.captionRows.count == prompt.tokens.count - instruction.count + 1)
  }

  @Test func anEmptyNegativePromptTakesNothing() throws {
    let prompt = try preparation(.none).prepareNegative("")
    #expect(prompt.tokens.count == 1)
    #expect(try computedTokens(prompt, withState) == [])
    let caption = try caption(prompt, withState, .cpu)
    let whole = try self.caption(prompt, source, .cpu)
    let comparison = try Comparison(reference: whole.rows.values, result: caption.rows.values)
    #expect(comparison.signalToNoiseDecibels > Self.bound, "\(comparison)")
  }

  @Test func aTokenThatDiffersEndsWhatIsShared() throws {
    var tokens = instruction
    tokens[7] = tokens[7] == 5 ? 6 : 5
    let other = MemorySource(
      try TextEncoderStage(
        model.textEncoder, source: source, backend: CPUBackend(precision: .f32)
      ).instructionTensors(of: tokens, encoding: .f32), over: source)
    let prompt = try preparation(.standard).prepare("a fox")
    #expect(try computedTokens(prompt, other) == [prompt.tokens.count - 7])
    let comparison = try Comparison(
      reference: caption(prompt, source, .cpu).rows.values,
      result: caption(prompt, other, .cpu).rows.values)
    #expect(comparison.signalToNoiseDecibels > Self.bound, "\(comparison)")
  }

  @Test func sixteenBitsAreCloseAndWhatTheyCannotHoldStaysWide() throws {
    let narrow = MemorySource(
      try TextEncoderStage(
        model.textEncoder, source: source, backend: CPUBackend(precision: .f32)
      ).instructionTensors(of: instruction, encoding: .f16), over: source)
    #expect(
      narrow.description(of: InstructionTensors.keyValue(layer: 0))?.encoding == .f16)
    #expect(narrow.description(of: InstructionTensors.firstHiddenState)?.encoding == .f32)
    let prompt = try preparation(.standard).prepare("a fox")
    let comparison = try Comparison(
      reference: caption(prompt, source, .cpu).rows.values,
      result: caption(prompt, narrow, .cpu).rows.values)
    #expect(comparison.signalToNoiseDecibels > 60, "\(comparison)")
  }

  // MARK: Files that lie

  private func expectMismatch(_ tensors: [StoredTensor], _ words: String) throws {
    let prompt = try preparation(.standard).prepare("a fox")
    let damaged = MemorySource(tensors, over: source)
    let error = #expect(throws: SanaError.self) { _ = try caption(prompt, damaged, .cpu) }
    #expect(error?.code == .tensorMismatch)
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
  }

  private func without(_ name: String) -> [StoredTensor] {
    state.filter { $0.description.name != name }
  }

  private func tensor(_ name: String, _ shape: [Int], _ encoding: TensorEncoding) -> StoredTensor {
    let description = TensorDescription(name: name, shape: shape, encoding: encoding)
    return StoredTensor(
      description: description,
      values: TensorBytes(byteCount: description.valueByteCount) {
        _ = $0.initializeMemory(as: UInt8.self, repeating: 0)
      })
  }

  @Test func partsThatAreMissingAreNamed() throws {
    let row = InstructionTensors.firstHiddenState
    let layer = InstructionTensors.keyValue(layer: 1)
    try expectMismatch(without(row), row)
    try expectMismatch(without(layer), layer)
  }

  @Test func partsOfAnotherSizeAreNamed() throws {
    let width = model.textEncoder.hiddenSize
    let (list, row) = (InstructionTensors.tokens, InstructionTensors.firstHiddenState)
    let layer = InstructionTensors.keyValue(layer: 0)
    try expectMismatch(without(list) + [tensor(list, [4], .f32)], list)
    try expectMismatch(without(list) + [tensor(list, [2, 2], .plain(.i32))], list)
    try expectMismatch(without(list) + [tensor(list, [0], .plain(.i32))], list)
    try expectMismatch(without(row) + [tensor(row, [1, width + 1], .f32)], row)
    try expectMismatch(without(row) + [tensor(row, [1, width], .f16)], row)
    try expectMismatch(
      without(layer) + [tensor(layer, [instruction.count - 1, 64], .f32)], layer)
  }

  @Test func keysThatAreNoNumbersAreNoticed() throws {
    let name = InstructionTensors.keyValue(layer: 0)
    let kept = try #require(state.first { $0.description.name == name })
    let broken = StoredTensor(
      description: kept.description,
      values: TensorBytes(byteCount: kept.description.valueByteCount) {
        $0.bindMemory(to: Float.self).update(repeating: .nan)
      })
    let prompt = try preparation(.standard).prepare("a fox")
    let damaged = MemorySource(without(name) + [broken], over: source)
    let error = #expect(throws: SanaError.self) { _ = try caption(prompt, damaged, .cpu) }
    #expect(error?.code == .numericalFailure)
  }
}
