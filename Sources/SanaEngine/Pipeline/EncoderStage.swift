public import SanaGraph
internal import SanaModels
internal import Support
public import WeightFormats

/// The autoencoder's encoder with its weights on a device. They are released with the object.
public final class EncoderStage {
  private let encoder: AutoencoderEncoder
  private let source: any WeightSource
  private let backend: any Backend
  private let ledger: MemoryLedger
  private let model: any ResidentModel
  private let check: FiniteCheck
  private let budget: MemoryBudget
  private let context: RunContext

  /// - Parameters:
  ///   - budget: what memory encoding may take.
  ///   - context: of all that the stage runs.
  public init(
    _ configuration: AutoencoderConfiguration, source: any WeightSource, backend: any Backend,
    budget: MemoryBudget = MemoryBudget(), context: RunContext = RunContext()
  ) {
    encoder = AutoencoderEncoder(configuration)
    self.source = source
    self.backend = backend
    ledger = MemoryLedger(within: backend.ledger)
    model = backend.load(source, ledger: ledger)
    check = FiniteCheck(.autoencoder, source, backend, context.cancellation)
    self.budget = budget
    self.context = context
  }

  /// A picture to latents.
  ///
  /// - Parameters:
  ///   - image: `[1, h, w, 3]`, black at -1, white at 1; sides are multiples of the configuration's
  ///     `compression`.
  ///   - fusion: `.observable` when the observer is to see every named value, which are whole then,
  ///     whatever memory they take.
  /// - Returns: `[1, h / 32, w / 32, latentChannels]`, multiplied with the scaling factor, as a
  ///   sampler takes them.
  /// - Throws: `.memoryLimit`, which states the least limit, where the budget does not suffice;
  ///   `.numericalFailure` when the result is not finite, and what the back end or the observer
  ///   throws.
  public func encode(
    _ image: HostTensor, fusion: GraphBuilder.Fusion = .full, observer: ValueObserver? = nil
  ) throws -> HostTensor {
    let parts = encoder.graph(
      height: image.shape.height, width: image.shape.width, batch: image.shape.batch,
      fusion: fusion)
    var choices = StageChoices()
    ledger.limit = nil
    if fusion == .full {
      let plan = try plan(of: parts)
      choices = plan.choices
      ledger.hold(to: plan.memory.peakBytes, planOf: "the autoencoder's encoder")
    }
    let claim = try ledger.claim(Self.tensorBytes(parts), for: .kept, "the picture and its latents")
    defer { withExtendedLifetime(claim) {} }
    let executable = try model.prepare(parts.graph, choices.alone, context)
    executable.write(image, to: parts.image)
    try executable.run(context.observed(by: observer))
    let latents = executable.read(parts.latents)
    try check.require(latents, "latent", from: [parts.graph])
    let scalingFactor = Float(encoder.configuration.scalingFactor)
    return HostTensor(latents.shape, latents.values.map { $0 * scalingFactor })
  }

  /// What encoding a picture holds at least, and at its fastest, on the device and of the picture.
  public func memoryBytes(height: Int, width: Int) throws -> ClosedRange<Int> {
    let planner = planner(encoder.graph(height: height, width: width, batch: 1))
    return try planner.leastBytes()...planner.plan(limit: nil).memory.peakBytes
  }

  /// The fastest that fits the budget.
  private func plan(of parts: AutoencoderEncoder.EncoderGraph) throws -> StagePlanner.Plan {
    let planner = planner(parts)
    let plan = try planner.plan(limit: budget.stageBytes)
    if let limit = budget.limit, budget.programBytes + plan.memory.peakBytes > limit {
      let least = budget.programBytes + (try planner.leastBytes())
      throw SanaError(
        .memoryLimit, "encoding the picture needs \(least) bytes, more than the limit of \(limit)",
        remedy: "allow at least as many, or encode a smaller picture")
    }
    return plan
  }

  private func planner(_ parts: AutoencoderEncoder.EncoderGraph) -> StagePlanner {
    let size = parts.graph[parts.image].shape
    return StagePlanner(
      cost: CostModel(threads: AvailableProcessors.current.count),
      form: .again(positions: size.positions, hasCaptions: false)
    ) { [backend, source] choices in
      var memory = StageMemory()
      memory.add(main: [try backend.plan(parts.graph, weights: source, choices.alone)])
      memory.tensorBytes = Self.tensorBytes(parts)
      return memory
    }
  }

  /// Bytes of the picture on the host, and of the latents as they are and scaled.
  private static func tensorBytes(_ parts: AutoencoderEncoder.EncoderGraph) -> Int {
    parts.graph[parts.image].byteCount + 2 * parts.graph[parts.latents].byteCount
  }
}
