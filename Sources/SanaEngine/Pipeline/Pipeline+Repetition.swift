internal import SanaGraph
internal import SanaModels

extension Pipeline {
  /// A stage with its network, to be run again and again: for measurements.
  ///
  /// The unit of the stage `text` is all prompts of the request, that of `denoise` one step, that of `decode` one picture. No stage
  /// needs the one before it: captions and latents are random numbers of the right size.
  /// - Returns: what runs one unit. The weights are loaded now where the stage loads them ahead, otherwise by the first call.
  public func repetition(of stage: PipelineStage) throws -> () throws -> Void {
    stages.begin(stage, plan)
    return switch stage {
    case .text: try textRepetition()
    case .denoise: try denoiseRepetition()
    case .decode: try decodeRepetition()
    }
  }

  private func textRepetition() throws -> () throws -> Void {
    let stage = try makeTextEncoderStage()
    let all = prompts + (negativePrompt.map { [$0] } ?? [])
    return { for prompt in all { _ = try stage.caption(of: prompt) } }
  }

  private func denoiseRepetition() throws -> () throws -> Void {
    let stage = try makeDenoiserStage()
    func caption(_ prompt: PreparedPrompt) -> Caption {
      let shape = Shape.tokens(
        batch: 1, count: prompt.captionRows.count, channels: model.textEncoder.hiddenSize)
      var noise = LatentNoise(seed: 1, shape: shape)
      return Caption(rows: noise.next())
    }
    let (height, width) = settings.latentSize(model)
    let sampler = try settings.samplerKind.makeSampler(model.scheduler, steps: settings.steps)
    let denoiser = try stage.prepare(
      captions: [caption(prompts[0])], unconditional: negativePrompt.map { [caption($0)] } ?? [],
      height: height, width: width, modelTimesteps: sampler.modelTimesteps,
      guidanceScale: settings.guidanceScale)
    var noise = LatentNoise(seed: 0, shape: denoiser.latentShape)
    let latents = noise.next().values
    return { _ = try denoiser.evaluate(latents, step: 0) }
  }

  private func decodeRepetition() throws -> () throws -> Void {
    let stage = try makeDecoderStage()
    let (height, width) = settings.latentSize(model)
    var noise = LatentNoise(
      seed: 0,
      shape: Shape(
        batch: 1, height: height, width: width, channels: model.autoencoder.latentChannels))
    let latents = noise.next()
    return { try stage.decode(latents) { _, _ in } }
  }
}
