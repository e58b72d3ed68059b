public import SanaGraph
internal import SanaModels
public import WeightFormats

/// The transformer with its weights on a device. They are released with the object and the denoisers it prepared.
public final class DenoiserStage: PreparedStage {
  private let transformer: LinearDiffusionTransformer
  private let model: any ResidentModel
  private var check: FiniteCheck
  private let choices: StageChoices
  private let ledger: MemoryLedger
  var context: RunContext { didSet { check.cancellation = context.cancellation } }

  /// - Parameter context: of all that the stage and its denoisers run.
  public convenience init(
    _ configuration: TransformerConfiguration, source: any WeightSource, backend: any Backend,
    context: RunContext = RunContext()
  ) {
    self.init(
      configuration, source: source, backend: backend, choices: StageChoices(),
      ledger: backend.ledger, context: context)
  }

  /// - Parameter ledger: counts what the stage and its denoisers hold.
  init(
    _ configuration: TransformerConfiguration, source: any WeightSource, backend: any Backend,
    choices: StageChoices, ledger: MemoryLedger, context: RunContext
  ) {
    transformer = LinearDiffusionTransformer(configuration)
    model = backend.load(source, ledger: ledger)
    check = FiniteCheck(.transformer, source, backend, context.cancellation)
    self.choices = choices
    self.ledger = ledger
    self.context = context
  }

  /// What the stage holds of a model for one picture at a time.
  /// - Parameters:
  ///   - tokenCounts: of the captions of a batch: with guidance the negative one, then the longest.
  ///   - latents: of one picture.
  ///   - fusion: of the graphs of a step.
  static func memory(
    _ configuration: TransformerConfiguration, source: any WeightSource, backend: any Backend,
    choices: StageChoices, tokenCounts: [Int], latents: Shape, steps: Int,
    fusion: GraphBuilder.Fusion = .full
  ) throws -> StageMemory {
    let transformer = LinearDiffusionTransformer(configuration)
    let schedule = transformer.timestepGraph(steps: steps)
    var memory = StageMemory()
    let model = backend.load(source)
    memory.add(passing: try model.plan(schedule.graph, choices.passing).plan)
    var captionBytes = 0
    for tokens in tokenCounts {
      let prompt = transformer.promptGraph(tokens: tokens, batch: 1, form: choices.captionForm)
      let plan = try model.plan(prompt.graph, choices.passing).plan
      memory.add(passing: plan)
      captionBytes = max(captionBytes, prompt.graph[prompt.captions].byteCount)
    }
    memory.add(
      main: try tokenCounts.map {
        try model.plan(
          transformer.stepGraph(
            height: latents.height, width: latents.width, batch: 1, tokens: $0,
            form: choices.captionForm, fusion: fusion
          ).graph, choices.main
        ).plan
      })
    memory.tensorBytes =
      captionBytes + schedule.outputBytes
      + Denoiser.samplingBytes(latents)
      + Denoiser.evaluationBytes(latents, branches: tokenCounts.count)
    if let embedding = configuration.positionInterpolationScale.map({ _ in configuration.width }) {
      memory.tensorBytes += latents.positions * embedding * MemoryLayout<Float>.size
    }
    return memory
  }

  /// - Precondition: no denoiser is used any more.
  func rest() { model.releaseWorkspace() }

  /// Computes what depends on the captions and on the schedule alone, and binds the graphs of a step to it.
  ///
  /// - Parameters:
  ///   - captions: one for each picture of the batch.
  ///   - unconditional: with classifier-free guidance as many again (the negative prompt's), otherwise empty.
  ///   - height, width: of the latents.
  ///   - modelTimesteps: the transformer's timestep at every step, from `Sampler.modelTimesteps`.
  ///   - guidanceScale: what networks that embed the guidance are told; other networks ignore it.
  ///   - fusion: `.observable` when observers are to see every named value of a step.
  ///   - observer: sees the values of the prompt's and the schedule's graphs, the latter with all steps in the batch axis.
  public func prepare(
    captions: [Caption], unconditional: [Caption] = [], height: Int, width: Int,
    modelTimesteps: [Float], guidanceScale: Float, fusion: GraphBuilder.Fusion = .full,
    observer: ValueObserver? = nil
  ) throws -> Denoiser {
    precondition(
      !captions.isEmpty && (unconditional.isEmpty || unconditional.count == captions.count))
    let all = unconditional + captions
    let schedule = try runSchedule(
      modelTimesteps, guidanceScale: guidanceScale, fusion: fusion, observer: observer)
    // Image after image, so that what operations hand over stays in the caches. Observers of named
    // values see the batch as one, observers of operands no padding of the shorter captions.
    let together = fusion == .observable && context.operandObserver == nil ? all.count : 1
    let runs = try stride(from: 0, to: all.count, by: together).map { first in
      try prepare(
        Array(all[first..<first + together]), height: height, width: width, fusion: fusion,
        observer: observer)
    }
    return Denoiser(
      runs: runs, schedule: schedule,
      latentShape: Shape(
        batch: captions.count, height: height, width: width,
        channels: transformer.configuration.inputChannels),
      usesGuidance: !unconditional.isEmpty, check: check, model: model, ledger: ledger,
      context: context)
  }

  /// The graph of a step for as many images as there are captions, bound to them.
  private func prepare(
    _ captions: [Caption], height: Int, width: Int, fusion: GraphBuilder.Fusion,
    observer: ValueObserver?
  ) throws -> Denoiser.Run {
    let parts = transformer.stepGraph(
      height: height, width: width, batch: captions.count,
      tokens: captions.map(\.tokenCount).max() ?? 0, form: choices.captionForm, fusion: fusion)
    // Before the captions' graph, whose results go from its memory to this one's.
    let executable = try model.prepare(parts.graph, choices.main, context)
    let promptGraph = try runPrompt(
      captions, into: executable, parts.captionInputs, fusion: fusion, observer: observer)
    executable.write(
      HostTensor(
        .tokens(batch: captions.count, count: 1, channels: 1),
        integers: captions.map { Int32($0.tokenCount) }),
      to: parts.tokenCounts)
    if let value = parts.positionEmbedding {
      try ledger.holding(
        parts.graph[value].byteCount, for: .kept, "the embedding of positions"
      ) {
        if let tensor = transformer.positionEmbedding(height: height, width: width) {
          executable.write(tensor, to: value)
        }
      }
    }
    return Denoiser.Run(promptGraph: promptGraph, parts: parts, executable: executable)
  }

  private func runSchedule(
    _ modelTimesteps: [Float], guidanceScale: Float, fusion: GraphBuilder.Fusion,
    observer: ValueObserver?
  ) throws -> Denoiser.Schedule {
    let configuration = transformer.configuration
    let parts = transformer.timestepGraph(steps: modelTimesteps.count, fusion: fusion)
    let executable = try model.prepare(parts.graph, choices.passing, context)
    let shape = Shape.tokens(batch: modelTimesteps.count, count: 1, channels: 1)
    let scale = Float(configuration.timestepScale)
    executable.write(HostTensor(shape, modelTimesteps.map { $0 * scale }), to: parts.timesteps)
    if let guidance = parts.guidance {
      let embedded = guidanceScale * Float(configuration.guidanceEmbeddingScale)
      executable.write(
        HostTensor(shape, modelTimesteps.map { _ in embedded }), to: guidance)
    }
    try executable.run(context.observed(by: observer))
    let claim = try ledger.claim(
      parts.outputBytes, for: .kept, "what the network takes of the schedule")
    return Denoiser.Schedule(
      claim: claim, graph: parts.graph, modulation: executable.read(parts.modulation),
      embeddedTimestep: executable.read(parts.embeddedTimestep))
  }

  /// Computes what steps need of captions and copies it into the inputs of their graph.
  private func runPrompt(
    _ captions: [Caption], into step: any Executable, _ inputs: [Value],
    fusion: GraphBuilder.Fusion, observer: ValueObserver?
  ) throws -> Graph {
    let parts = transformer.promptGraph(
      tokens: captions.map(\.tokenCount).max() ?? 0, batch: captions.count,
      form: choices.captionForm, fusion: fusion)
    let executable = try model.prepare(parts.graph, choices.passing, context)
    try ledger.holding(parts.graph[parts.captions].byteCount, for: .kept, "captions of a batch") {
      executable.write(Caption.batch(captions), to: parts.captions)
    }
    try executable.run(context.observed(by: observer))
    for (output, input) in zip(parts.outputs, inputs) {
      step.copy(output, of: executable, to: input)
    }
    return parts.graph
  }
}

extension LinearDiffusionTransformer.TimestepGraph {
  /// Bytes of what steps take of it.
  fileprivate var outputBytes: Int {
    graph[modulation].byteCount + graph[embeddedTimestep].byteCount
  }
}
