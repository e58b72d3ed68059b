internal import Foundation
public import SanaEngine
public import SanaGraph
internal import Support
internal import Traces
internal import WeightFormats

/// Draws the same pictures with two models, prompt by prompt and seed by seed, and compares them at
/// every stage.
public struct PipelineComparer {
  /// One of the models, and what computes it.
  public struct Side {
    public let model: PipelineModel
    public let backend: any Backend

    public init(model: PipelineModel, backend: any Backend) {
      self.model = model
      self.backend = backend
    }
  }

  public struct Options: Sendable {
    /// Prompts whose operations are looked at; 0 for none.
    public var operationPrompts = 2
    /// Operations of each network whose protection is tried out.
    public var offenders = 6
    /// Least signal-to-noise ratio of every first noise prediction.
    public var minimumSignalToNoise: Double?
    /// Least PSNR of every picture.
    public var minimumPeakSignalToNoise: Double?
    /// Of the run; nil for as much as is fastest.
    public var memory = MemoryBudget()

    public init() {}
  }

  let reference: Side
  let tested: Side
  let request: GenerationRequest
  let options: Options
  let context: RunContext
  let progress: (String) -> Void

  /// - Parameters:
  ///   - request: what both draw.
  ///   - progress: called with the name of each part before it begins.
  /// - Throws: `.tensorMismatch` for models that are no variants of one, `.invalidArgument` for a
  ///   request that they cannot fulfil, `.memoryLimit`, `.cancelled`, `.numericalFailure`, and what
  ///   reading the models throws.
  public static func compare(
    _ reference: Side, _ tested: Side, request: GenerationRequest, options: Options = Options(),
    context: RunContext = RunContext(), progress: @escaping (String) -> Void = { _ in }
  ) throws -> PipelineComparison {
    try PipelineComparer(
      reference: reference, tested: tested, request: request, options: options, context: context,
      progress: progress
    ).compare()
  }

  private func pipeline(_ side: Side, _ request: GenerationRequest) throws -> Pipeline {
    side.backend.ledger.limit = options.memory.limit
    let pipeline = try Pipeline(
      model: side.model, backend: side.backend, request: request, budget: options.memory,
      context: context)
    try pipeline.checkLimit()
    return pipeline
  }

  private func compare() throws -> PipelineComparison {
    let agreement = ModelAgreement(reference: reference.model, tested: tested.model)
    try agreement.check()
    let expected = try pipeline(reference, request)
    let found = try pipeline(tested, request)
    let settings = expected.settings
    let prepared = try preparedPrompts(reference.model, settings)
    try agreement.check(prepared, preparedPrompts(tested.model, settings))
    progress("digests")
    let digests = try FileDigests(
      [reference.model.file.path, tested.model.file.path], times: StageTimes()
    ).values()
    var comparison = PipelineComparison(
      reference: .init(reference, digest: digests[0]), tested: .init(tested, digest: digests[1]),
      prompts: settings.prompts, settings: settings)

    progress("text")
    let captions = try expected.encodeText()
    let foundCaptions = try found.encodeText()
    comparison.captions = try zip(captions.prompts, foundCaptions.prompts).map {
      try Comparison(reference: $0.rows.values, result: $1.rows.values)
    }
    var kept = KeptLatents(studied: studiedSamples(settings))
    for index in settings.pictures.indices {
      progress("picture \(index + 1) of \(settings.pictures.count)")
      comparison.samples.append(
        try sample(
          index, expected, found, captions, foundCaptions, keeping: &kept))
    }
    comparison.seedRulers = try seedRulers(comparison, kept)
    try study(prepared, captions, kept.studied, &comparison)
    comparison.gates = gates(comparison)
    return comparison
  }

  private func preparedPrompts(
    _ model: PipelineModel, _ settings: GenerationSettings
  ) throws -> [PreparedPrompt] {
    let preparation = try PromptPreparation(
      tokenizer: model.tokenizer, instruction: settings.instruction,
      captionLength: settings.captionLength, positions: model.textEncoder.maximumPositions)
    return try settings.prompts.map(preparation.prepare)
  }

  private func gates(_ comparison: PipelineComparison) -> [QualityGate] {
    var gates: [QualityGate] = []
    if let minimum = options.minimumSignalToNoise {
      gates.append(
        QualityGate(
          measure: .firstPrediction, minimumDecibels: minimum,
          worstDecibels: comparison.firstPredictionSpread.worst ?? .infinity))
    }
    if let minimum = options.minimumPeakSignalToNoise {
      gates.append(
        QualityGate(
          measure: .picture, minimumDecibels: minimum,
          worstDecibels: comparison.spread(\.peakSignalToNoiseDecibels).worst ?? .infinity))
    }
    return gates
  }

  // MARK: One picture

  /// Latents of one model's way, and what it drew.
  private struct Way {
    var firstOutput: HostTensor?
    var steps: [HostTensor] = []
    var latents: [HostTensor] = []
  }

  /// The reference's latents that are needed once more.
  private struct KeptLatents {
    var studied: [StudiedSample]
    /// The final ones of a prompt's first seed.
    var final: [Int: HostTensor] = [:]
  }

  /// Ends a run that has made what it was begun for.
  private struct FirstStepIsDone: Error {}

  private func way(
    _ pipeline: Pipeline, _ captions: Pipeline.Captions, picture: Int
  ) throws -> Way {
    var way = Way()
    way.latents = try pipeline.denoise(captions, pictures: picture..<picture + 1) { _, step in
      if step.index == 0 { way.firstOutput = step.modelOutput }
      way.steps.append(step.latents)
    }
    return way
  }

  /// The first output of a model for captions that it did not make itself.
  private func firstOutput(
    _ pipeline: Pipeline, _ captions: Pipeline.Captions, picture: Int
  ) throws -> HostTensor? {
    var output: HostTensor?
    do {
      _ = try pipeline.denoise(captions, pictures: picture..<picture + 1) { _, step in
        output = step.modelOutput
        throw FirstStepIsDone()
      }
    } catch is FirstStepIsDone {}
    return output
  }

  private func images(_ pipeline: Pipeline, _ latents: [HostTensor]) throws -> [RGBImage] {
    var images: [RGBImage] = []
    try pipeline.decode(latents) { _, picture in images.append(try RGBImage(picture)) }
    return images
  }

  private func sample(
    _ index: Int, _ expected: Pipeline, _ found: Pipeline, _ captions: Pipeline.Captions,
    _ foundCaptions: Pipeline.Captions, keeping kept: inout KeptLatents
  ) throws -> PipelineComparison.Sample {
    let right = try way(expected, captions, picture: index)
    let own = try way(found, foundCaptions, picture: index)
    let alone = try firstOutput(found, captions, picture: index)
    let picture = expected.settings.pictures[index]
    for position in kept.studied.indices where kept.studied[position].picture == index {
      kept.studied[position].record(right.steps, final: right.latents[0])
    }
    if picture.prompt < Self.ruledPrompts, kept.final[picture.prompt] == nil {
      kept.final[picture.prompt] = right.latents[0]
    }
    let image = try images(expected, right.latents)[0]
    let others = try images(found, right.latents + own.latents)
    return PipelineComparison.Sample(
      prompt: picture.prompt, seed: picture.seed,
      firstPrediction: try Comparison(
        reference: right.firstOutput?.values ?? [], result: alone?.values ?? []),
      steps: try zip(right.steps, own.steps).map {
        try Comparison(reference: $0.values, result: $1.values)
      },
      finalLatents: try Comparison(
        reference: right.latents[0].values, result: own.latents[0].values),
      decoderPicture: try PictureDistance(reference: image, result: others[0]),
      picture: try PictureDistance(reference: image, result: others[1]),
      referenceImage: image, testedImage: others[1])
  }

  // MARK: Rulers

  /// Prompts that are drawn once more with another seed.
  private static let ruledPrompts = 3

  private func seedRulers(
    _ comparison: PipelineComparison, _ kept: KeptLatents
  ) throws -> [PipelineComparison.SeedRuler] {
    var other = request
    other.prompts = Array(request.prompts.prefix(Self.ruledPrompts))
    other.seed = request.seed &+ UInt64(request.count)
    other.count = 1
    let drawn = try pipeline(reference, other)
    let captions = try drawn.encodeText()
    return try other.prompts.indices.compactMap { prompt in
      guard let first = kept.final[prompt],
        let sample = comparison.samples.first(where: { $0.prompt == prompt })
      else { return nil }
      progress("another seed, \(prompt + 1) of \(other.prompts.count)")
      let latents = try drawn.denoise(captions, pictures: prompt..<prompt + 1)
      return PipelineComparison.SeedRuler(
        prompt: prompt,
        finalLatents: try Comparison(reference: first.values, result: latents[0].values),
        picture: try PictureDistance(
          reference: sample.referenceImage, result: images(drawn, latents)[0]))
    }
  }
}

extension PipelineComparison.Model {
  fileprivate init(_ side: PipelineComparer.Side, digest: String) {
    let file = side.model.file
    path = file.path
    self.digest = digest
    byteCount = file.byteCount
    recipe =
      file.metadata["quantization"]?["recipe"]?.stringValue
      ?? file.metadata["provenance"]?["precision"]?.stringValue
    precision = side.backend.precision.rawValue
  }
}
