public import SanaEngine
public import SanaGraph
internal import SanaModels
internal import Support
internal import Traces
public import WeightFormats

/// Draws pictures with a model and gathers what its products multiply.
///
/// Every row that a product multiplies counts, in both halves of guidance. Of prompts that begin
/// alike, as with the instruction they do, the beginning counts once, and captions are not padded.
public struct Calibrator {
  /// What is done at a stage, for progress.
  public typealias ProgressHandler = (_ stage: PipelineStage, _ done: Int, _ total: Int) -> Void

  private let model: CalibratedModel
  private let settings: CalibrationSettings
  private let plan: CalibrationPlan?
  private let prompts: [PreparedPrompt]
  private let negativePrompt: PreparedPrompt?
  private let backend: any Backend
  private let limit: Int?
  private let context: RunContext

  /// Pictures that are denoised together where weights are read again for every step.
  private static let picturesAtOnce = 4

  /// Checks what is asked for, before anything large is loaded.
  /// - Parameters:
  ///   - budget: what memory the run may take.
  ///   - context: of all that is run.
  /// - Throws: `.invalidArgument` for settings that the model cannot be run with, `.unsupported`
  ///   for a file that lacks what statistics need.
  public init(
    _ file: ModelFile, settings: CalibrationSettings, backend: any Backend,
    budget: MemoryBudget = MemoryBudget(), context: RunContext = RunContext()
  ) throws {
    try settings.check()
    self.settings = settings
    self.backend = backend
    self.context = context
    limit = budget.limit.map { $0 - budget.programBytes }
    let model = try CalibratedModel(file, sampler: settings.sampler)
    self.model = model
    plan = try model.denoiser.map {
      try CalibrationPlan(settings, $0, compression: model.compression)
    }
    let preparation = try PromptPreparation(
      tokenizer: model.tokenizer, instruction: .standard,
      positions: model.textEncoder.maximumPositions)
    prompts = try settings.prompts.map(preparation.prepare)
    negativePrompt = plan?.usesGuidance == true ? try preparation.prepareNegative("") : nil
  }

  /// Runs the model and writes a file of statistics, which appears when it is complete.
  /// - Parameters:
  ///   - tool: the program, for the file.
  ///   - onProgress: told what is done.
  /// - Throws: `.memoryLimit` that states the least limit, `.numericalFailure` for a model that
  ///   makes NaN or infinity, `.cancelled`, what reading the model and writing throw.
  public func gather(
    to path: String, tool: String, onProgress: ProgressHandler = { _, _, _ in }
  ) throws {
    let writer = try TraceWriter(path: path)
    let inputs = ProductInputs(to: writer, rowCount: settings.rows)
    let captions = try encode(inputs, onProgress)
    if let plan, let denoiser = model.denoiser {
      let latents = try denoise(captions, denoiser, plan, inputs, onProgress)
      if let autoencoder = model.autoencoder {
        try decode(latents, autoencoder, inputs, onProgress)
      }
    }
    let header = CalibrationHeader(
      tool: tool, modelDigest: model.file.contentDigest, settings: described,
      inputs: try inputs.finish())
    try header.write(to: writer)
    try writer.finish()
  }

  private func observed(_ component: ComponentKind, _ inputs: ProductInputs) -> RunContext {
    var context = context
    context.operandObserver = { node, graph, read in
      try inputs.observe(node, graph, of: component, read)
    }
    return context
  }

  // MARK: Stages

  private struct Captions {
    let prompts: [Caption]
    let negative: Caption?
  }

  private func encode(
    _ inputs: ProductInputs, _ onProgress: ProgressHandler
  ) throws -> Captions {
    let all = (negativePrompt.map { [$0] } ?? []) + prompts
    let stage = try TextEncoderStage(
      observing: all, model.textEncoder, source: model.file.source(for: .textEncoder),
      backend: backend, limit: limit, context: observed(.textEncoder, inputs))
    let encoder = GemmaEncoder(model.textEncoder)
    // Rows that were seen with an earlier prompt, of those that are computed.
    let skipped = all.indices.map { index in
      let computed = stage.computedPositions(of: all[index])
      let shared = all[..<index].map { $0.sharedBeginning(with: all[index]) }.max() ?? 0
      return min(max(shared - computed.lowerBound, 0), computed.count)
    }
    for (prompt, skipped) in zip(all, skipped) {
      let computed = stage.computedPositions(of: prompt)
      guard !computed.isEmpty else { continue }
      inputs.expect(
        encoder.graph(tokens: computed.count, batch: 1).graph, of: .textEncoder,
        skippingRows: skipped)
    }
    defer { inputs.skipRows(0) }
    var captions: [Caption] = []
    onProgress(.text, 0, all.count)
    for (prompt, skipped) in zip(all, skipped) {
      inputs.skipRows(skipped)
      captions.append(try stage.caption(of: prompt))
      onProgress(.text, captions.count, all.count)
    }
    return Captions(
      prompts: Array(captions.suffix(prompts.count)),
      negative: negativePrompt == nil ? nil : captions[0])
  }

  /// - Returns: the latents of each picture.
  private func denoise(
    _ captions: Captions, _ denoiser: CalibratedModel.Denoiser, _ plan: CalibrationPlan,
    _ inputs: ProductInputs, _ onProgress: ProgressHandler
  ) throws -> [HostTensor] {
    let denoising = try denoisingStage(captions, denoiser, plan, inputs)
    let groups = stride(from: 0, to: plan.pictures.count, by: denoising.count).map {
      plan.pictures[$0..<min($0 + denoising.count, plan.pictures.count)]
    }
    expect(captions, denoiser, plan, groups: groups.count, inputs, denoising.form)
    let sampler = try plan.samplerKind.makeSampler(denoiser.scheduler, steps: plan.steps)
    var latents: [HostTensor] = []
    let total = groups.count * plan.steps
    onProgress(.denoise, 0, total)
    for (index, group) in groups.enumerated() {
      let prepared = try denoising.stage.prepare(
        captions: group.map { captions.prompts[$0.prompt] },
        unconditional: captions.negative.map { Array(repeating: $0, count: group.count) } ?? [],
        height: plan.latents.height, width: plan.latents.width,
        modelTimesteps: sampler.modelTimesteps, guidanceScale: plan.guidanceScale,
        fusion: .observable)
      var noises = group.map { LatentNoise(seed: $0.seed, shape: plan.latents) }
      func noise() -> HostTensor {
        HostTensor(prepared.latentShape, noises.indices.flatMap { noises[$0].next().values })
      }
      let result = try prepared.sample(
        with: sampler, initialNoise: noise(), guidanceScale: plan.guidanceScale, noise: noise
      ) { onProgress(.denoise, index * plan.steps + $0.index + 1, total) }
      let length = plan.latents.elementCount
      latents += (0..<group.count).map {
        HostTensor(plan.latents, Array(result.values[$0 * length..<($0 + 1) * length]))
      }
    }
    return latents
  }

  /// How pictures are denoised.
  private struct DenoisingStage {
    let stage: DenoiserStage
    /// Pictures together: weights that are streamed are read once for all of them.
    let count: Int
    let form: LinearDiffusionTransformer.CaptionForm
  }

  /// The stage for as many pictures together as the limit allows: rows come in the same order, and
  /// the same of them are kept, with every limit that allows for all.
  private func denoisingStage(
    _ captions: Captions, _ denoiser: CalibratedModel.Denoiser, _ plan: CalibrationPlan,
    _ inputs: ProductInputs
  ) throws -> DenoisingStage {
    let source = try model.file.source(for: .transformer)
    // The longest captions, as many as may come together.
    let tokenCounts = plan.pictures.map { captions.prompts[$0.prompt].tokenCount }
      .sorted(by: >)
    let negative = captions.negative.map { [$0.tokenCount] } ?? []
    var count = min(plan.pictures.count, Self.picturesAtOnce)
    var form = LinearDiffusionTransformer.CaptionForm.keyValues
    while true {
      let together = tokenCounts.prefix(count).flatMap { negative + [$0] }
      do {
        let stage = try DenoiserStage(
          observing: together, latents: plan.latents, steps: plan.steps,
          denoiser.configuration, source: source, backend: backend, form: form, limit: limit,
          context: observed(.transformer, inputs))
        return DenoisingStage(stage: stage, count: count, form: form)
      } catch let error as SanaError
        where error.code == .memoryLimit && (count > 1 || form == .keyValues)
      {
        if count > 1 { count /= 2 } else { form = .captions }
      }
    }
  }

  /// Says which graphs of the transformer will run.
  private func expect(
    _ captions: Captions, _ denoiser: CalibratedModel.Denoiser, _ plan: CalibrationPlan,
    groups: Int, _ inputs: ProductInputs, _ form: LinearDiffusionTransformer.CaptionForm
  ) {
    let transformer = LinearDiffusionTransformer(denoiser.configuration)
    func expect(_ graph: Graph, times: Int) {
      inputs.expect(graph, of: .transformer, times: times)
    }
    expect(transformer.timestepGraph(steps: plan.steps).graph, times: groups)
    let conditional = plan.pictures.map { captions.prompts[$0.prompt].tokenCount }
    let unconditional = captions.negative.map { negative in
      plan.pictures.map { _ in negative.tokenCount }
    }
    let runs = Dictionary(
      (conditional + (unconditional ?? [])).map { ($0, 1) }, uniquingKeysWith: +)
    for (tokens, count) in runs.sorted(by: { $0.key < $1.key }) {
      expect(
        transformer.promptGraph(tokens: tokens, batch: 1, form: form).graph, times: count)
      expect(
        transformer.stepGraph(
          height: plan.latents.height, width: plan.latents.width, batch: 1, tokens: tokens,
          form: form
        ).graph, times: count * plan.steps)
    }
  }

  private func decode(
    _ latents: [HostTensor], _ autoencoder: AutoencoderConfiguration, _ inputs: ProductInputs,
    _ onProgress: ProgressHandler
  ) throws {
    guard let shape = latents.first?.shape else { return }
    let stage = try DecoderStage(
      observing: shape, autoencoder, source: model.file.source(for: .autoencoder),
      backend: backend, limit: limit, context: observed(.autoencoder, inputs))
    inputs.expect(
      AutoencoderDecoder(autoencoder).graph(height: shape.height, width: shape.width, batch: 1)
        .graph, of: .autoencoder, times: latents.count)
    onProgress(.decode, 0, latents.count)
    for (index, latents) in latents.enumerated() {
      _ = try stage.decode(latents, fusion: .observable)
      onProgress(.decode, index + 1, self.plan?.pictures.count ?? 0)
    }
  }

  /// What was drawn, for the file.
  private var described: MetadataValue {
    let drawn: [MetadataValue.Member] =
      plan.map { plan in
        [
          .init("seeds", .array(settings.seeds.map { .string(String($0)) })),
          .init("steps", .integer(Int64(plan.steps))),
          .init("width", .integer(Int64(plan.width))),
          .init("height", .integer(Int64(plan.height))),
          .init("scheduler", .string(plan.samplerKind.rawValue)),
          .init("guidance", .number(Double(plan.guidanceScale))),
        ]
      } ?? []
    return .object(
      [
        .init("prompts", .array(settings.prompts.map { .string($0) })),
        .init("rows", .integer(Int64(settings.rows))),
        .init("precision", .string(backend.precision.rawValue)),
      ] + drawn)
  }
}

extension PreparedPrompt {
  /// How many tokens at the beginning are the same.
  fileprivate func sharedBeginning(with other: PreparedPrompt) -> Int {
    zip(tokens, other.tokens).prefix { $0 == $1 }.count
  }
}

extension CalibrationHeader {
  fileprivate func write(to writer: TraceWriter) throws {
    let text = JSONWriter.write(json)
    var hash = SHA256()
    text.withUnsafeBytes { hash.update($0) }
    try writer.write(TraceArray(shape: [text.count], values: text), to: CalibrationFile.headerPath)
    try writer.setAttribute(
      CalibrationFile.headerDigest, hash.finish(), of: CalibrationFile.headerPath)
  }
}
