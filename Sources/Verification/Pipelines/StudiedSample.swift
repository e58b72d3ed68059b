internal import SanaEngine
internal import SanaGraph
internal import WeightFormats

/// A step of a picture whose operations are looked at one by one.
struct StudiedSample {
  /// Index into `GenerationSettings.pictures`.
  let picture: Int
  let prompt: Int
  let seed: UInt64
  let step: Int
  /// The reference's latents before the step; nil before the first one, whose are noise.
  private(set) var earlierLatents: HostTensor?
  /// The reference's latents after the last step.
  private(set) var finalLatents: HostTensor?

  /// The first picture of some prompts, evenly among all, at the first step and in the middle.
  static func samples(_ settings: GenerationSettings, prompts: Int) -> [StudiedSample] {
    let count = min(max(prompts, 0), settings.prompts.count)
    return (0..<count).flatMap { index in
      let prompt = index * settings.prompts.count / count
      guard let picture = settings.pictures.firstIndex(where: { $0.prompt == prompt }) else {
        return [StudiedSample]()
      }
      return Set([0, settings.steps / 2]).sorted().map {
        StudiedSample(
          picture: picture, prompt: prompt, seed: settings.pictures[picture].seed, step: $0)
      }
    }
  }

  private init(picture: Int, prompt: Int, seed: UInt64, step: Int) {
    self.picture = picture
    self.prompt = prompt
    self.seed = seed
    self.step = step
  }

  mutating func record(_ steps: [HostTensor], final: HostTensor) {
    finalLatents = final
    earlierLatents = step > 0 ? steps[step - 1] : nil
  }

  /// What the transformer is given at the step.
  /// - Parameter shape: of the latents.
  func modelInput(
    _ settings: GenerationSettings, _ scheduler: SchedulerConfiguration, shape: Shape
  ) throws -> (input: [Float], modelTimestep: Float) {
    var sampler = try settings.samplerKind.makeSampler(scheduler, steps: settings.steps)
    var noise = LatentNoise(seed: seed, shape: shape)
    let latents = earlierLatents?.values ?? sampler.initialLatents(noise.next().values)
    // A schedule goes on as well without numbers.
    for _ in 0..<step { _ = sampler.step(modelOutput: [], latents: [], noise: []) }
    return (sampler.modelInput(latents), sampler.modelTimesteps[step])
  }
}
