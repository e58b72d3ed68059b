internal import SanaGraph
internal import SanaModels
internal import Support
internal import WeightFormats

/// What a run will hold in memory and how it will be run, found from the model's directory and the
/// graphs before anything is loaded (`PipelinePlanner`).
///
/// A stage loads its weights, computes, and releases them before the next one begins, unless a
/// session keeps them, so the run's peak is that of its largest stage.
public struct PipelinePlan: Hashable, Sendable {
  public struct Stage: Hashable, Sendable {
    public let stage: PipelineStage
    /// Weights that are on the device at once: those that stay, and memory for those that do not.
    public let weightsBytes: Int
    /// The memory that the stage's graphs work in, and what it keeps between them: captions, keys
    /// and values, latents, and of a picture what is on its way to its file.
    public package(set) var activationsBytes: Int
    /// Weights of other stages that a session keeps meanwhile.
    public let otherWeightsBytes: Int
    /// What is done to hold less than the fastest way of running the stage would.
    public let means: [MemoryMeans]

    /// What the stage holds at its fullest.
    var ownBytes: Int { weightsBytes + activationsBytes }

    public var peakBytes: Int { ownBytes + otherWeightsBytes }
  }

  public package(set) var stages: [Stage]
  /// Pictures that are denoised one after the other before they are decoded, and handed over, one
  /// after the other: as few as the time allows that loading the two networks again takes.
  public let picturesAtOnce: Int
  /// What the process holds before the run.
  public let programBytes: Int
  /// The stages whose weights a session keeps for its next run, and how many bytes they are.
  let staying: [PipelineStage: Int]
  /// How the stages are run.
  let choices: [PipelineStage: StageChoices]

  /// The stages whose weights a session keeps for its next run.
  public var stagesThatStay: Set<PipelineStage> { Set(staying.keys) }

  /// What the process holds at its fullest, its code and libraries not counted.
  public var peakBytes: Int { programBytes + (stages.map(\.peakBytes).max() ?? 0) }

  /// All that is done to hold less, stage by stage.
  public var means: [(stage: PipelineStage, means: MemoryMeans)] {
    stages.flatMap { stage in stage.means.map { (stage.stage, $0) } }
  }

  func choices(of stage: PipelineStage) -> StageChoices { choices[stage] ?? StageChoices() }

  /// What a stage holds at its fullest.
  /// - Parameter others: other stages whose weights are there.
  func bytes(of stage: PipelineStage, beside others: some Sequence<PipelineStage>) -> Int {
    let own = stages.first { $0.stage == stage }?.ownBytes ?? 0
    return others.reduce(own) { $0 + ($1 == stage ? 0 : staying[$1] ?? 0) }
  }

  /// - Parameter leastBytes: the least limit that would do.
  /// - Throws: `.memoryLimit` where the run does not fit.
  func check(limit: Int?, leastBytes: () throws -> Int) throws {
    guard let limit, limit < peakBytes else { return }
    let least = try leastBytes()
    let largest = stages.max { $0.peakBytes < $1.peakBytes }?.stage.rawValue ?? ""
    throw SanaError(
      .memoryLimit,
      "the run needs \(max(least, limit + 1)) bytes (in the stage '\(largest)'), more than the memory limit of \(limit)",
      remedy:
        "allow at least \(Self.mebibytes(least)), draw a smaller picture, or quantize the model")
  }

  /// Rounded up, so that the limit named is one that is accepted.
  private static func mebibytes(_ bytes: Int) -> String { "\((bytes + 1 << 20 - 1) >> 20)MiB" }
}

extension GenerationSettings {
  /// Size of the latents.
  func latentSize(_ model: PipelineModel) -> (height: Int, width: Int) {
    (
      drawnHeight / model.autoencoder.compression, drawnWidth / model.autoencoder.compression
    )
  }
}
