internal import SanaEngine
internal import SanaGraph
internal import Support
internal import Traces
internal import WeightFormats

/// Captions and noise to latents.
extension Verifier {
  /// Latents by the name of the run that made them (`dpm20`), before division by the scaling factor.
  typealias FinalLatents = [String: HostTensor]

  func denoise(_ reference: ReferenceCase, _ captions: CaseCaptions) throws -> FinalLatents {
    guard let transformer = model.transformer else {
      report.omit("denoise (the model has no transformer)")
      return [:]
    }
    let shape = Shape(
      batch: reference.prompts.count, height: reference.height / 32, width: reference.width / 32,
      channels: transformer.configuration.inputChannels)
    let initial = try reader.tensor("\(reference.path)/initial_latents", shape)
    var generator = NormalGenerator(seed: reference.seed)
    try add(
      "\(reference.path)/initial_latents from the seed", .exact,
      reference: initial.channelsFirstValues,
      result: generator.normals(count: shape.elementCount))

    let stage = DenoiserStage(
      transformer.configuration, source: transformer.weights, backend: backend,
      context: RunContext(cancellation: cancellation))
    try compareFirstStep(reference, transformer.configuration, stage, shape)
    var finalLatents: FinalLatents = [:]
    for run in reference.runs {
      finalLatents[run.name] = try replay(
        run, of: reference, captions, initial, transformer, stage)
    }
    return finalLatents
  }

  /// - Throws: `.tensorMismatch` when the transformer takes captions of another width.
  private func check(
    _ captions: CaseCaptions, _ configuration: TransformerConfiguration
  ) throws {
    for caption in captions.all where caption.rows.shape.channels != configuration.captionChannels {
      throw reader.mismatch(
        "the captions have \(caption.rows.shape.channels) channels, the transformer takes \(configuration.captionChannels)"
      )
    }
  }

  /// The first evaluation of the transformer, on the trace's inputs, with everything observed.
  private func compareFirstStep(
    _ reference: ReferenceCase, _ configuration: TransformerConfiguration,
    _ stage: DenoiserStage, _ shape: Shape
  ) throws {
    let group = "\(reference.path)/first_step"
    guard trace.contains(group) else { return }
    let captions = try recordedCaptions(of: reference)
    try check(captions, configuration)
    var batched = shape
    batched.batch = captions.all.count
    let input = try reader.tensor("\(group)/latent_model_input", batched)
    let timestep = try reader.floats("\(group)/timestep", shape: [batched.batch])
    let denoiser = try stage.prepare(
      captions: captions.conditional, unconditional: captions.unconditional,
      height: shape.height, width: shape.width,
      modelTimesteps: [timestep[0] / Float(configuration.timestepScale)],
      guidanceScale: Float(reference.guidanceScale), fusion: .observable
    ) { name, tensor in
      if name.hasPrefix("caption_") {
        try self.compareCaptions(name, tensor, captions, in: group)
      } else {
        try self.compare(name, tensor, in: group)
      }
    }
    try addBFloat16Ruler(group)
    // Both halves see the same latents.
    _ = try denoiser.evaluate(Array(input.values.prefix(shape.elementCount)), step: 0) {
      try self.compare($0, $1, in: group)
    }
  }

  /// How far PyTorch's own output in bfloat16 is from that in float32, where both are recorded.
  private func addBFloat16Ruler(_ group: String) throws {
    let (expected, path) = ("\(group)/model_output", "\(group)/model_output_bfloat16")
    guard trace.contains(expected), trace.contains(path) else { return }
    let result = try trace.floats(path)
    report.add(
      ruler: ComparedValue(
        name: path, kind: .forwardPass,
        comparison: try Comparison(
          reference: reader.floats(expected, shape: result.shape), result: result.values)))
  }

  /// Compares a value of the prompt's graph, whose tokens are padded to the longest of the batch.
  private func compareCaptions(
    _ name: String, _ tensor: HostTensor, _ captions: CaseCaptions, in group: String
  ) throws {
    let path = "\(group)/\(name)"
    guard trace.contains(path) else { return }
    let expected = try trace.floats(path)
    guard expected.shape.count == 3, expected.shape[0] == captions.all.count else {
      throw reader.mismatch("'\(path.abbreviated)' has shape \(expected.shape)")
    }
    let length = tensor.shape.positions * tensor.shape.channels
    let values = tensor.values
    var comparison = Comparison()
    for (element, caption) in captions.all.enumerated() {
      try addTokens(
        expected[element], values[(element * length)...], count: caption.tokenCount,
        channels: tensor.shape.channels, to: &comparison, path)
    }
    add(path, .forwardPass, comparison)
  }

  // MARK: A whole run

  /// Runs all steps on what the pipeline computed itself.
  private func replay(
    _ run: ReferenceCase.Run, of reference: ReferenceCase, _ captions: CaseCaptions,
    _ initial: HostTensor, _ transformer: ModelUnderTest.Transformer, _ stage: DenoiserStage
  ) throws -> HostTensor {
    try check(captions, transformer.configuration)
    let shape = initial.shape
    let sampler = try run.sampler.kind.makeSampler(transformer.scheduler, steps: run.steps)
    try compareSchedule(run, sampler, transformer.configuration, batch: captions.all.count)
    let latents = try steps("\(run.path)/latents", run, shape)
    var doubled = shape
    doubled.batch = captions.all.count
    let outputs = try steps("\(run.path)/model_output", run, doubled)
    let noise = try sampler.drawsNoise ? steps("\(run.path)/noise", run, shape) : nil

    let denoiser = try stage.prepare(
      captions: captions.conditional, unconditional: captions.unconditional,
      height: shape.height, width: shape.width, modelTimesteps: sampler.modelTimesteps,
      guidanceScale: Float(reference.guidanceScale))
    var drawn = 0
    let result = try denoiser.sample(
      with: sampler, initialNoise: initial, guidanceScale: Float(reference.guidanceScale),
      noise: {
        defer { drawn += 1 }
        return HostTensor(shape, channelsFirst: noise?[drawn].values ?? [])
      },
      onStep: { step in
        try cancellation.check()
        try add(
          "\(run.path)/model_output[\(step.index)]", .accumulated,
          reference: outputs[step.index].values, result: step.modelOutput.channelsFirstValues)
        try add(
          "\(run.path)/latents[\(step.index)]", .accumulated,
          reference: latents[step.index].values, result: step.latents.channelsFirstValues)
      })
    try add(
      "\(run.path)/final_latents", .accumulated,
      reference: reader.floats("\(run.path)/final_latents", shape: shape.channelsFirst),
      result: result.channelsFirstValues)
    return result
  }

  /// A tensor recorded at every step.
  private func steps(
    _ path: String, _ run: ReferenceCase.Run, _ shape: Shape
  ) throws -> TraceArray<Float> {
    let all = [run.steps] + shape.channelsFirst
    return TraceArray(shape: all, values: try reader.floats(path, shape: all))
  }

  private func compareSchedule(
    _ run: ReferenceCase.Run, _ sampler: any Sampler, _ configuration: TransformerConfiguration,
    batch: Int
  ) throws {
    try add(
      "\(run.path)/timesteps", .exact,
      reference: reader.floats("\(run.path)/timesteps", shape: [sampler.timesteps.count]),
      result: sampler.timesteps)
    let scale = Float(configuration.timestepScale)
    try add(
      "\(run.path)/model_timestep", .exact,
      reference: reader.floats("\(run.path)/model_timestep", shape: [run.steps, batch]),
      result: sampler.modelTimesteps.flatMap { [Float](repeating: $0 * scale, count: batch) })
  }
}

extension ReferenceCase.Run.Sampler {
  fileprivate var kind: SamplerKind {
    switch self {
    case .dpmSolver: .dpmSolver
    case .flowEuler: .flowEuler
    case .consistency: .consistency
    }
  }
}
