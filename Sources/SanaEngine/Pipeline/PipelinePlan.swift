internal import SanaGraph
internal import SanaModels
public import Support
internal import WeightFormats

/// What a run will hold in memory and how it will be run, found from the model's directory and the
/// graphs before anything is loaded.
///
/// A stage loads its weights, computes, and releases them before the next one begins, so the run's
/// peak is that of its largest stage.
public struct PipelinePlan: Hashable, Sendable {
  public struct Stage: Hashable, Sendable {
    public let stage: PipelineStage
    /// Weights that are on the device at once: those that stay, and memory for those that do not.
    public let weightsBytes: Int
    /// The memory that the stage's graphs work in, and what it keeps between them: captions, keys
    /// and values, latents, and of a picture what is on its way to its file.
    public let activationsBytes: Int
    /// What is done to hold less than the fastest way of running the stage would.
    public let means: [MemoryMeans]

    public var peakBytes: Int { weightsBytes + activationsBytes }
  }

  public let stages: [Stage]
  /// Pictures that are denoised one after the other before they are decoded, and handed over, one
  /// after the other: as few as the time allows that loading the two networks again takes.
  public let picturesAtOnce: Int
  /// What the process holds before the run.
  public let programBytes: Int
  /// The least limit that the run can hold.
  public let leastBytes: Int
  /// How the stages are run.
  let denoising: StageChoices
  let decoding: StageChoices

  /// What the process holds at its fullest, its code and libraries not counted.
  public var peakBytes: Int { programBytes + (stages.map(\.peakBytes).max() ?? 0) }

  /// All that is done to hold less, stage by stage.
  public var means: [(stage: PipelineStage, means: MemoryMeans)] {
    stages.flatMap { stage in stage.means.map { (stage.stage, $0) } }
  }

  /// - Throws: `.memoryLimit` that states the least limit that would do.
  public func check(limit: Int?) throws(SanaError) {
    guard let limit, limit < peakBytes else { return }
    let largest = stages.max { $0.peakBytes < $1.peakBytes }?.stage.rawValue ?? ""
    throw SanaError(
      .memoryLimit,
      "the run needs \(max(leastBytes, limit + 1)) bytes (in the stage '\(largest)'), more than the memory limit of \(limit)",
      remedy:
        "allow at least \(Self.mebibytes(leastBytes)), draw a smaller picture, or quantize the model"
    )
  }

  /// Rounded up, so that the limit named is one that is accepted.
  private static func mebibytes(_ bytes: Int) -> String { "\((bytes + 1 << 20 - 1) >> 20)MiB" }
}

extension PipelinePlan {
  /// - Throws: `.tensorMismatch` for a weight that is missing or has another shape than the
  ///   configuration says.
  init(
    model: PipelineModel, backend: any Backend, settings: GenerationSettings,
    prompts: [PreparedPrompt], negativePrompt: PreparedPrompt?, budget: MemoryBudget
  ) throws {
    let all = prompts + (negativePrompt.map { [$0] } ?? [])
    let (height, width) = settings.latentSize(model)
    let latents = Shape(
      batch: 1, height: height, width: width, channels: model.transformer.inputChannels)
    let captionBytes = Caption.byteCount(all, model.textEncoder)
    let cost = CostModel(threads: AvailableProcessors.current.count)
    // The negative prompt's, then the longest prompt's.
    let tokenCounts =
      [negativePrompt].compactMap { $0?.captionRows.count }
      + [prompts.map(\.captionRows.count).max() ?? 1]

    let text = try TextEncoderStage.memory(
      model.textEncoder, source: model.source(for: .textEncoder), backend: backend, prompts: all)
    let transformer = try model.source(for: .transformer)
    let denoiser = StagePlanner(
      cost: cost, positions: latents.positions, hasCaptions: true
    ) { choices in
      var memory = try DenoiserStage.memory(
        model.transformer, source: transformer, backend: backend, choices: choices,
        tokenCounts: tokenCounts, latents: latents, steps: settings.steps)
      memory.tensorBytes += captionBytes
      return memory
    }
    let autoencoder = try model.source(for: .autoencoder)
    let decoder = StagePlanner(
      cost: cost, positions: settings.drawnWidth * settings.drawnHeight, hasCaptions: false
    ) { choices in
      var memory = try DecoderStage.memory(
        model.autoencoder, source: autoencoder, backend: backend, choices: choices,
        latents: latents)
      memory.tensorBytes +=
        captionBytes + PictureRows.byteCount(width: settings.width)
        + PNGFile.byteCount(width: settings.width)
      return memory
    }
    let denoise = try denoiser.plan(limit: budget.stageBytes)
    let decode = try decoder.plan(limit: budget.stageBytes)

    let worthLoading = Self.picturesWorthLoading(
      operations: settings.steps * denoise.memory.operationCount + decode.memory.operationCount,
      weightsBytes: denoise.memory.weightBytes + decode.memory.weightBytes)
    // Latents that wait shall not be what the run needs memory for.
    let latentBytes = latents.elementCount * MemoryLayout<Float>.size
    let room = min(
      denoise.memory.activationBytes,
      max(
        (budget.stageBytes ?? .max) - max(denoise.memory.peakBytes, decode.memory.peakBytes), 0))
    let count = settings.pictures.count
    let most = min(worthLoading, 1 + room / max(latentBytes, 1), count)
    // Groups of about the same size.
    let groups = (count + most - 1) / most
    picturesAtOnce = (count + groups - 1) / groups
    let waiting = (picturesAtOnce - 1) * latentBytes

    programBytes = budget.programBytes
    denoising = denoise.choices
    decoding = decode.choices
    stages = [
      Stage(.text, text, waiting: 0, means: []),
      Stage(
        .denoise, denoise.memory, waiting: waiting, means: denoise.means(times: settings.steps)),
      Stage(.decode, decode.memory, waiting: waiting, means: decode.means(times: 1)),
    ]
    leastBytes =
      budget.programBytes
      + max(text.peakBytes, try denoiser.leastBytes(), try decoder.leastBytes())
  }

  /// Operations for each byte of weights that take twenty times as long as loading the byte from
  /// the page cache: int8 products at some 600 billion operations a second, weights at some 1.5 GB
  /// a second.
  private static let operationsForByte = 8192

  /// How many pictures take so long that loading the networks before them does not matter.
  private static func picturesWorthLoading(operations: Int, weightsBytes: Int) -> Int {
    (weightsBytes * operationsForByte + operations - 1) / max(operations, 1)
  }
}

extension PipelinePlan.Stage {
  fileprivate init(
    _ stage: PipelineStage, _ memory: StageMemory, waiting: Int, means: [MemoryMeans]
  ) {
    self.stage = stage
    weightsBytes = memory.weightBytes + memory.passingWeightBytes
    activationsBytes = memory.activationBytes + waiting
    self.means = means
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
