package import SanaGraph
package import SanaModels
internal import Support
package import WeightFormats

/// Stages whose operands are observed (`RunContext.operandObserver`), within a memory limit.

extension TextEncoderStage {
  /// A stage that encodes some prompts.
  /// - Parameter limit: the most bytes that the stage may hold; nil for any number.
  /// - Throws: `.memoryLimit` that states the least limit, and what the initializer throws.
  package convenience init(
    observing prompts: [PreparedPrompt], _ configuration: TextEncoderConfiguration,
    source: any WeightSource, backend: any Backend, limit: Int?, context: RunContext
  ) throws {
    var memory = try Self.memory(
      configuration, source: source, backend: backend, choices: StageChoices(), prompts: prompts)
    // A copy of an operand: none is wider than the gated hidden activations.
    memory.tensorBytes +=
      (prompts.map(\.tokens.count).max() ?? 0) * configuration.intermediateSize
      * MemoryLayout<Float>.size
    try memory.check(limit, .text, least: memory.peakBytes)
    try self.init(configuration, source: source, backend: backend, context: context)
  }

  /// The positions of a prompt whose rows `caption(of:)` computes.
  package func computedPositions(of prompt: PreparedPrompt) -> Range<Int> {
    instruction?.remainder(of: prompt) ?? 0..<prompt.tokens.count
  }
}

extension DenoiserStage {
  /// A stage that denoises pictures of one size together.
  /// - Parameters:
  ///   - tokenCounts: of all captions of a batch, of the negative ones too.
  ///   - latents: of one picture.
  ///   - form: what steps are given of the captions.
  ///   - limit: the most bytes that the stage may hold; nil for any number.
  /// - Throws: `.memoryLimit` that states the least limit.
  package convenience init(
    observing tokenCounts: [Int], latents: Shape, steps: Int,
    _ configuration: TransformerConfiguration, source: any WeightSource, backend: any Backend,
    form: LinearDiffusionTransformer.CaptionForm, limit: Int?, context: RunContext
  ) throws {
    let planner = StagePlanner(
      cost: CostModel(threads: AvailableProcessors.current.count),
      form: .again(positions: 1, hasCaptions: false)
    ) { choices in
      var choices = choices
      choices.captionForm = form
      var memory = try Self.memory(
        configuration, source: source, backend: backend, choices: choices,
        tokenCounts: tokenCounts, latents: latents, steps: steps, fusion: .observable)
      // A copy of an operand: none is wider than the gated hidden activations.
      memory.tensorBytes +=
        latents.positions * configuration.feedForwardWidth * MemoryLayout<Float>.size
      return memory
    }
    let plan = try planner.plan(limit: limit)
    try plan.memory.check(limit, .denoise, least: planner.leastBytes())
    var choices = plan.choices
    choices.captionForm = form
    self.init(
      configuration, source: source, backend: backend, choices: choices,
      ledger: backend.ledger, context: context)
  }
}

extension DecoderStage {
  /// A stage that decodes pictures of one size, one at a time.
  /// - Parameters:
  ///   - latents: of one picture.
  ///   - limit: the most bytes that the stage may hold; nil for any number.
  /// - Throws: `.memoryLimit` that states the least limit.
  package convenience init(
    observing latents: Shape, _ configuration: AutoencoderConfiguration,
    source: any WeightSource, backend: any Backend, limit: Int?, context: RunContext
  ) throws {
    let parts = AutoencoderDecoder(configuration).graph(
      height: latents.height, width: latents.width, batch: 1, fusion: .observable)
    let operandBytes = parts.graph.values.map(\.byteCount).max() ?? 0
    let planner = StagePlanner(
      cost: CostModel(threads: AvailableProcessors.current.count),
      form: .again(positions: 1, hasCaptions: false)
    ) { choices in
      var memory = try Self.memory(
        configuration, source: source, backend: backend, choices: choices, latents: latents,
        fusion: .observable)
      memory.tensorBytes += operandBytes + parts.graph[parts.image].byteCount
      return memory
    }
    let plan = try planner.plan(limit: limit)
    try plan.memory.check(limit, .decode, least: planner.leastBytes())
    self.init(
      configuration, source: source, backend: backend, choices: plan.choices,
      ledger: backend.ledger, context: context)
  }
}

extension StageMemory {
  fileprivate func check(
    _ limit: Int?, _ stage: PipelineStage, least: @autoclosure () throws -> Int
  ) throws {
    guard let limit, limit < peakBytes else { return }
    let least = try least()
    throw SanaError(
      .memoryLimit,
      "the stage '\(stage.rawValue)' needs \(least) bytes, more than the \(limit) that the memory limit leaves for it",
      remedy:
        "allow \((max(least - limit, 1) + 1 << 20 - 1) >> 20) MiB more, or choose a smaller picture"
    )
  }
}
