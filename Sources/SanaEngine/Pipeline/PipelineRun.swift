internal import SanaGraph
internal import SanaModels

/// What happens while a pipeline runs all its stages.
public enum PipelineEvent {
  /// - Parameters:
  ///   - pictures: those of `GenerationSettings.pictures` that the stage works on now.
  ///   - units: how often `progressed` will come: prompts, steps, pictures.
  case began(PipelineStage, pictures: Range<Int>, units: Int)
  case progressed(PipelineStage, done: Int)
  /// Once for each time that the stage began.
  case ended(PipelineStage, Duration)
  /// A picture, which is decoded as its rows are drawn: before the event has been handled, or not
  /// at all. `RGBImage(_:)` collects them.
  /// - Parameter index: into `GenerationSettings.pictures`.
  case picture(index: Int, LatentPicture)
}

extension Pipeline {
  /// Runs all stages, the last two for `PipelinePlan.picturesAtOnce` pictures at a time, so that
  /// these are finished before others are begun. The weights of each stage are released before the
  /// next one loads its own.
  ///
  /// - Parameter onEvent: told what happens; a throw stops the run.
  /// - Throws: `.memoryLimit` for a run that does not fit its limit, and what the stages throw.
  public func run(onEvent: (PipelineEvent) throws -> Void) throws {
    try checkLimit()
    stages.follow(plan)
    let count = settings.pictures.count
    func perform<Result>(
      _ stage: PipelineStage, _ pictures: Range<Int>, units: Int, _ body: () throws -> Result
    ) throws -> Result {
      try onEvent(.began(stage, pictures: pictures, units: units))
      let start = ContinuousClock.now
      let result = try body()
      try onEvent(.ended(stage, .now - start))
      return result
    }

    let captions = try perform(.text, 0..<count, units: prompts.count) {
      try encodeText { try onEvent(.progressed(.text, done: $0)) }
    }
    for first in stride(from: 0, to: count, by: plan.picturesAtOnce) {
      let pictures = first..<min(first + plan.picturesAtOnce, count)
      let steps = settings.steps
      let latents = try perform(.denoise, pictures, units: pictures.count * steps) {
        try denoise(captions, pictures: pictures) { picture, step in
          try onEvent(.progressed(.denoise, done: (picture - first) * steps + step.index + 1))
        }
      }
      try perform(.decode, pictures, units: pictures.count) {
        try decode(latents) { index, picture in
          try onEvent(.picture(index: first + index, picture))
          try onEvent(.progressed(.decode, done: index + 1))
        }
      }
    }
  }
}
