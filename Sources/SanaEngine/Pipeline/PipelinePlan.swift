internal import SanaGraph
internal import SanaModels
public import Support
internal import WeightFormats

/// What a run will hold in memory, found from the model's directory and the graphs before anything is loaded.
///
/// A stage loads its weights, computes, and releases them before the next one begins, so the run's peak is that of its largest
/// stage.
public struct PipelinePlan: Hashable, Sendable {
  public struct Stage: Hashable, Sendable {
    public let stage: PipelineStage
    /// Weights that are on the device at once: of those that do not stay the largest.
    public let weightsBytes: Int
    /// The arenas of the stage's graphs, as many as there are at once, and what the stage keeps between them: captions, keys and
    /// values, latents, and of a picture what is on its way to its file.
    public let activationsBytes: Int
    /// The largest tensor that must be unpacked from the file before it is rearranged for the device.
    public let loadingBytes: Int

    /// Weights, and the larger of what comes after each other: unpacking and computing.
    public var peakBytes: Int { weightsBytes + max(activationsBytes, loadingBytes) }
  }

  public let stages: [Stage]
  /// Pictures that are denoised one after the other before they are decoded, and handed over, one
  /// after the other: as few as the time allows that loading the two networks again takes.
  public let picturesAtOnce: Int

  public var peakBytes: Int { stages.map(\.peakBytes).max() ?? 0 }

  /// - Throws: `.memoryLimit` that states the least limit that would do.
  public func check(limit: Int?) throws(SanaError) {
    guard let limit, limit < peakBytes else { return }
    let largest = stages.max { $0.peakBytes < $1.peakBytes }?.stage.rawValue ?? ""
    throw SanaError(
      .memoryLimit,
      "the run needs \(peakBytes) bytes (in the stage '\(largest)'), more than the memory limit of \(limit)",
      remedy:
        "allow at least \(Self.mebibytes(peakBytes)), draw a smaller picture, or quantize the model"
    )
  }

  /// Rounded up, so that the limit named is one that is accepted.
  private static func mebibytes(_ bytes: Int) -> String { "\((bytes + 1 << 20 - 1) >> 20)MiB" }
}

extension PipelinePlan {
  /// - Parameter tokenCounts: tokens and caption rows of each prompt, the negative prompt's apart.
  /// - Throws: `.tensorMismatch` for a weight that is missing or has another shape than the configuration says.
  init(
    model: PipelineModel, backend: any Backend, settings: GenerationSettings,
    prompts: [PreparedPrompt], negativePrompt: PreparedPrompt?, memoryLimit: Int? = nil
  ) throws {
    let all = prompts + (negativePrompt.map { [$0] } ?? [])
    let text = try Self.text(model, backend, all)
    let (denoise, steps) = try Self.denoise(model, backend, settings, prompts, negativePrompt)
    let (decode, decodingOperations) = try Self.decode(model, backend, settings, all)
    let least = Self.picturesWorthLoading(
      operations: settings.steps * steps.operationCount + decodingOperations,
      weightsBytes: denoise.weightsBytes + decode.weightsBytes)
    // Latents that wait shall not be what the run needs memory for.
    let latentBytes = steps.latentBytes
    let room = min(
      denoise.activationsBytes,
      max((memoryLimit ?? .max) - max(denoise.peakBytes, decode.peakBytes), 0))
    let count = settings.pictures.count
    let most = min(least, 1 + room / max(latentBytes, 1), count)
    // Groups of about the same size.
    let groups = (count + most - 1) / most
    picturesAtOnce = (count + groups - 1) / groups
    let waiting = (picturesAtOnce - 1) * latentBytes
    stages = [text, denoise.keeping(waiting), decode.keeping(waiting)]
  }

  /// Operations for each byte of weights that take twenty times as long as loading the byte from
  /// the page cache: int8 products at some 600 billion operations a second, weights at some 1.5 GB
  /// a second.
  private static let operationsForByte = 8192

  /// How many pictures take so long that loading the networks before them does not matter.
  private static func picturesWorthLoading(operations: Int, weightsBytes: Int) -> Int {
    (weightsBytes * operationsForByte + operations - 1) / max(operations, 1)
  }

  private static let floatBytes = MemoryLayout<Float>.size

  private static func text(
    _ model: PipelineModel, _ backend: any Backend, _ prompts: [PreparedPrompt]
  ) throws -> Stage {
    let encoder = GemmaEncoder(model.textEncoder)
    let instruction = try InstructionState(
      model.source(for: .textEncoder), for: model.textEncoder)
    let remainders = Set(
      prompts.map { instruction?.remainder(of: $0) ?? 0..<$0.tokens.count }
    ).filter { !$0.isEmpty }
    let graphs = remainders.map {
      encoder.graph(tokens: $0.count, after: instruction?.tokens(before: $0), batch: 1).graph
    }
    let longest = remainders.map(\.count).max() ?? 1
    return try Stage(
      .textEncoder, .text, model, backend, together: graphs.map { [$0] },
      kept: captionBytes(prompts, model) + longest * model.textEncoder.hiddenSize * floatBytes)
  }

  private static func denoise(
    _ model: PipelineModel, _ backend: any Backend, _ settings: GenerationSettings,
    _ prompts: [PreparedPrompt], _ negativePrompt: PreparedPrompt?
  ) throws -> (Stage, (operationCount: Int, latentBytes: Int)) {
    let transformer = LinearDiffusionTransformer(model.transformer)
    let (height, width) = settings.latentSize(model)
    let schedule = transformer.timestepGraph(steps: settings.steps)
    // The negative prompt's, then the longest prompt's.
    let tokenCounts =
      [negativePrompt].compactMap { $0?.captionRows.count }
      + [prompts.map(\.captionRows.count).max() ?? 1]
    let captions = tokenCounts.map { transformer.promptGraph(tokens: $0, batch: 1) }
    let steps = tokenCounts.map {
      transformer.stepGraph(height: height, width: width, batch: 1, tokens: $0)
    }
    // A step's graphs stay while the next one's captions are computed.
    let together =
      [[schedule.graph], steps.map(\.graph)]
      + captions.indices.map { index in steps[..<index].map(\.graph) + [captions[index].graph] }
    let keyValues = captions.map { prompt in
      prompt.keyValues.reduce(0) { $0 + prompt.graph[$1].byteCount }
    }
    let handedOver =
      (keyValues.max() ?? 0)
      + [schedule.modulation, schedule.embeddedTimestep].reduce(0) {
        $0 + schedule.graph[$1].byteCount
      }
    let latents = steps.reduce(0) { $0 + $1.graph[$1.latents].byteCount }
    let stage = try Stage(
      .transformer, .denoise, model, backend, together: together,
      kept: captionBytes(prompts, model) + captionBytes([negativePrompt].compactMap { $0 }, model)
        + handedOver + latents * 5)
    return (
      stage,
      (steps.reduce(0) { $0 + $1.graph.operationCount }, steps[0].graph[steps[0].latents].byteCount)
    )
  }

  private static func decode(
    _ model: PipelineModel, _ backend: any Backend, _ settings: GenerationSettings,
    _ prompts: [PreparedPrompt]
  ) throws -> (Stage, operationCount: Int) {
    let (height, width) = settings.latentSize(model)
    let parts = AutoencoderDecoder(model.autoencoder).graph(
      height: height, width: width, batch: 1, handsOverRows: true)
    // Decoded rows on their way into a PNG file.
    let picture =
      PictureRows.byteCount(width: settings.width) + PNGFile.byteCount(width: settings.width)
    let stage = try Stage(
      .autoencoder, .decode, model, backend, together: [[parts.graph]],
      kept: captionBytes(prompts, model) + parts.graph[parts.latents].byteCount + picture)
    return (stage, parts.graph.operationCount)
  }

  private static func captionBytes(_ prompts: [PreparedPrompt], _ model: PipelineModel) -> Int {
    prompts.reduce(0) { $0 + $1.captionRows.count } * model.textEncoder.hiddenSize * floatBytes
  }
}

extension PipelinePlan.Stage {
  /// The same stage with more tensors between its graphs.
  fileprivate func keeping(_ byteCount: Int) -> Self {
    Self(
      stage: stage, weightsBytes: weightsBytes, activationsBytes: activationsBytes + byteCount,
      loadingBytes: loadingBytes)
  }

  /// - Parameters:
  ///   - together: graphs whose arenas exist at the same time.
  ///   - kept: bytes that the stage holds outside of its graphs' arenas.
  fileprivate init(
    _ kind: ComponentKind, _ stage: PipelineStage, _ model: PipelineModel, _ backend: any Backend,
    together: [[Graph]], kept: Int
  ) throws {
    let source = try model.source(for: kind)
    var seen: Set<String> = []
    var weights = 0
    var largestReadOnce = 0
    var loading = 0
    for parameter in together.joined().flatMap(\.parameters)
    where seen.insert(parameter.name).inserted {
      guard let entry = source.entry(parameter.name) else {
        throw SanaError(
          .tensorMismatch, "the \(kind.rawValue) has no tensor '\(parameter.name.abbreviated)'",
          remedy: "convert the checkpoint again", location: model.file.path)
      }
      guard entry.description.shape == parameter.shape else {
        throw SanaError(
          .tensorMismatch,
          "tensor '\(parameter.name.abbreviated)' of the \(kind.rawValue) has shape \(entry.description.shape), not \(parameter.shape) as the configuration says",
          remedy: "convert the checkpoint again", location: model.file.path)
      }
      let bytes = backend.residentBytes(of: entry.description)
      switch parameter.access {
      case .rows: continue
      case .whole: weights += bytes
      case .once: largestReadOnce = max(largestReadOnce, bytes)
      }
      // What lies raw in the file is read where it is mapped.
      if !entry.values.isRaw, !backend.keepsLoadedBytes(of: entry.description) {
        loading = max(loading, entry.rawByteCount)
      }
    }
    self.stage = stage
    weightsBytes = weights + largestReadOnce
    let arenas = together.map { graphs in
      graphs.reduce(0) { $0 + backend.plan($1, weights: source).arenaBytes }
    }
    activationsBytes = (arenas.max() ?? 0) + kept
    loadingBytes = loading
  }
}

extension GenerationSettings {
  /// Size of the latents.
  func latentSize(_ model: PipelineModel) -> (height: Int, width: Int) {
    (
      drawnHeight / model.autoencoder.compression, drawnWidth / model.autoencoder.compression
    )
  }
}
