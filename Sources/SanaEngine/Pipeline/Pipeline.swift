public import SanaGraph
internal import SanaModels
internal import Support

/// From prompts to pictures with one model on one device.
///
/// Making the object checks the request, tokenizes and plans; nothing large is loaded before the first stage runs. The stages can be
/// called one by one, or all in order by `run`.
public final class Pipeline {
  public let model: PipelineModel
  public let settings: GenerationSettings
  /// How the run is done and what it may hold: every stage is held to it.
  public package(set) var plan: PipelinePlan
  /// What the user should know about how the prompts were understood.
  public let promptNotes: [String]
  /// What the user should know about how everything else was understood.
  public let requestNotes: [String]
  /// All of them.
  public var notes: [String] { promptNotes + requestNotes }
  /// Of all that the pipeline runs.
  public var context: RunContext
  private let budget: MemoryBudget
  private let planner: PipelinePlanner
  let stages: PreparedStages
  let backend: any Backend
  let prompts: [PreparedPrompt]
  let negativePrompt: PreparedPrompt?

  /// - Parameters:
  ///   - budget: what memory the run may take.
  ///   - context: of all that the pipeline runs.
  /// - Throws: `.invalidArgument` for a request that the model cannot fulfil, `.tensorMismatch` for
  ///   a model that lacks a weight.
  public convenience init(
    model: PipelineModel, backend: any Backend, request: GenerationRequest,
    budget: MemoryBudget = MemoryBudget(), context: RunContext = RunContext()
  ) throws {
    try self.init(
      model: model, backend: backend, request: request, budget: budget, context: context,
      stages: PreparedStages(within: backend.ledger), keepsStages: false)
  }

  /// - Parameters:
  ///   - stages: those of a session.
  ///   - keepsStages: whether they stay for the session's next run where there is memory.
  init(
    model: PipelineModel, backend: any Backend, request: GenerationRequest, budget: MemoryBudget,
    context: RunContext, stages: PreparedStages, keepsStages: Bool
  ) throws {
    self.stages = stages
    self.context = context
    self.model = model
    self.backend = backend
    settings = try GenerationSettings(request, for: model)
    let preparation = try PromptPreparation(
      tokenizer: model.tokenizer, instruction: settings.instruction,
      captionLength: settings.captionLength, positions: model.textEncoder.maximumPositions)
    prompts = try settings.prompts.map(preparation.prepare)
    negativePrompt =
      settings.usesGuidance ? try preparation.prepareNegative(settings.negativePrompt) : nil
    planner = try PipelinePlanner(
      model: model, backend: backend, settings: settings, prompts: prompts,
      negativePrompt: negativePrompt, cost: CostModel(threads: AvailableProcessors.current.count))
    plan = try planner.plan(budget, keepsStages: keepsStages)
    self.budget = budget
    promptNotes = (prompts + (negativePrompt.map { [$0] } ?? [])).compactMap { prompt in
      prompt.truncatedText.map {
        "the prompt is too long, its end is ignored: \"\($0.abbreviated)\""
      }
    }
    requestNotes = Self.notes(request, settings)
  }

  /// How the same run would be planned within another limit.
  public func plan(limit: Int?) throws -> PipelinePlan {
    var budget = budget
    budget.limit = limit
    return try planner.plan(budget, keepsStages: false)
  }

  /// The least limit that the run can hold.
  public func leastLimit() throws -> Int {
    try planner.leastBytes(programBytes: budget.programBytes)
  }

  /// - Throws: `.memoryLimit` that states the least limit that would do, where the run does not fit
  ///   its own.
  public func checkLimit() throws {
    try plan.check(limit: budget.limit, leastBytes: leastLimit)
  }

  /// Captions of the prompts, and of the negative one where guidance needs it.
  public struct Captions: Sendable {
    public let prompts: [Caption]
    public let negative: Caption?
    /// Of their rows.
    fileprivate let claims: [MemoryClaim]
  }

  /// The stage `text`.
  /// - Parameter onPrompt: told how many prompts are done.
  public func encodeText(onPrompt: (Int) throws -> Void = { _ in }) throws -> Captions {
    try stages.use(.text, plan, context, make: makeTextEncoderStage) { stage in
      var claims: [MemoryClaim] = []
      func caption(_ prompt: PreparedPrompt) throws -> Caption {
        let caption = try stage.caption(of: prompt)
        claims.append(
          try stages.ledger.claim(
            Caption.byteCount([prompt], model.textEncoder), for: .kept, "captions"))
        return caption
      }
      let negative = try negativePrompt.map(caption)
      var captions: [Caption] = []
      for prompt in prompts {
        captions.append(try caption(prompt))
        try onPrompt(captions.count)
      }
      return Captions(prompts: captions, negative: negative, claims: claims)
    }
  }

  func makeTextEncoderStage() throws -> TextEncoderStage {
    try TextEncoderStage(
      model.textEncoder, source: model.source(for: .textEncoder), backend: backend,
      choices: plan.choices(of: .text), ledger: stages.ledger, context: context)
  }

  /// The stage `denoise`: latents of some pictures, `[1, h, w, channels]` each.
  /// - Parameters:
  ///   - pictures: of `settings.pictures`.
  ///   - onStep: called after every step of every picture.
  public func denoise(
    _ captions: Captions, pictures: Range<Int>,
    onStep: (_ picture: Int, DenoisingStep) throws -> Void = { _, _ in }
  ) throws -> [HostTensor] {
    try stages.use(.denoise, plan, context, make: makeDenoiserStage) {
      try denoise(captions, pictures: pictures, $0, onStep: onStep)
    }
  }

  func makeDenoiserStage() throws -> DenoiserStage {
    DenoiserStage(
      model.transformer, source: try model.source(for: .transformer), backend: backend,
      choices: plan.choices(of: .denoise), ledger: stages.ledger, context: context)
  }

  private func denoise(
    _ captions: Captions, pictures: Range<Int>, _ stage: DenoiserStage,
    onStep: (_ picture: Int, DenoisingStep) throws -> Void
  ) throws -> [HostTensor] {
    let (height, width) = settings.latentSize(model)
    let sampler = try settings.samplerKind.makeSampler(model.scheduler, steps: settings.steps)
    var latents: [HostTensor] = []
    var claims: [MemoryClaim] = []
    for (prompt, caption) in captions.prompts.enumerated() {
      let indices = pictures.filter { settings.pictures[$0].prompt == prompt }
      guard !indices.isEmpty else { continue }
      let denoiser = try stage.prepare(
        captions: [caption], unconditional: captions.negative.map { [$0] } ?? [], height: height,
        width: width, modelTimesteps: sampler.modelTimesteps,
        guidanceScale: settings.guidanceScale)
      for index in indices {
        var noise = LatentNoise(
          seed: settings.pictures[index].seed, shape: denoiser.latentShape)
        latents.append(
          try denoiser.sample(
            with: sampler, initialNoise: noise.next(), guidanceScale: settings.guidanceScale,
            noise: { noise.next() }, onStep: { try onStep(index, $0) }))
        claims.append(try claim(latents[latents.count - 1]))
      }
    }
    return latents
  }

  /// Holds latents that wait.
  private func claim(_ latents: HostTensor) throws -> MemoryClaim {
    try stages.ledger.claim(
      latents.shape.elementCount * MemoryLayout<Float>.size, for: .kept, "latents that wait")
  }

  /// The stage `decode`.
  /// - Parameter onPicture: given every picture, in the order of the latents. It is decoded as its
  ///   rows are drawn, so not at all where nobody draws them.
  public func decode(
    _ latents: [HostTensor], onPicture: (_ index: Int, LatentPicture) throws -> Void
  ) throws {
    try stages.use(.decode, plan, context, make: makeDecoderStage) { stage in
      let claims = try latents.map(claim)
      try withExtendedLifetime(claims) {
        for (index, latents) in latents.enumerated() {
          try onPicture(index, LatentPicture(latents, stage, settings))
        }
      }
    }
  }

  func makeDecoderStage() throws -> DecoderStage {
    DecoderStage(
      model.autoencoder, source: try model.source(for: .autoencoder), backend: backend,
      choices: plan.choices(of: .decode), ledger: stages.ledger, context: context)
  }

  private static func notes(
    _ request: GenerationRequest, _ settings: GenerationSettings
  ) -> [String] {
    var notes: [String] = []
    if request.negativePrompt != nil, !settings.usesGuidance {
      notes.append("the negative prompt has no effect with a guidance scale of 1 or less")
    }
    if settings.drawnWidth != settings.width || settings.drawnHeight != settings.height {
      let isCropped =
        settings.drawnWidth * settings.height != settings.drawnHeight * settings.width
      notes.append(
        "drawn at \(settings.drawnWidth)x\(settings.drawnHeight), the trained size nearest in shape, then scaled \(isCropped ? "and cropped " : "")to \(settings.width)x\(settings.height)"
      )
    }
    return notes
  }
}
