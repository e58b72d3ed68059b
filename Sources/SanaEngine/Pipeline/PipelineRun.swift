internal import WeightFormats

/// What happens while a pipeline runs all its stages.
public enum PipelineEvent {
  /// - Parameter units: how often `progressed` will come: prompts, steps, pictures.
  case began(PipelineStage, units: Int)
  case progressed(PipelineStage, done: Int)
  case ended(PipelineStage, Duration)
  /// - Parameter index: into `GenerationSettings.pictures`.
  case picture(index: Int, RGBImage)
}

extension Pipeline {
  /// Runs all stages. The weights of each are released before the next one loads its own.
  ///
  /// - Parameter onEvent: told what happens; a throw stops the run.
  public func run(onEvent: (PipelineEvent) throws -> Void) throws {
    let (prompts, pictures, steps) = (
      settings.prompts.count, settings.pictures.count, settings.steps
    )
    var start = ContinuousClock.now
    try onEvent(.began(.text, units: prompts))
    let captions = try encodeText { try onEvent(.progressed(.text, done: $0)) }
    try onEvent(.ended(.text, .now - start))

    start = .now
    try onEvent(.began(.denoise, units: pictures * steps))
    let latents = try denoise(captions) { picture, step in
      try onEvent(.progressed(.denoise, done: picture * steps + step.index + 1))
    }
    try onEvent(.ended(.denoise, .now - start))

    start = .now
    try onEvent(.began(.decode, units: pictures))
    try decode(latents) { index, image in
      try onEvent(.picture(index: index, image))
      try onEvent(.progressed(.decode, done: index + 1))
    }
    try onEvent(.ended(.decode, .now - start))
  }
}
