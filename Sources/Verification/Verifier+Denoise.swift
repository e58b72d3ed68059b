internal import SanaEngine
internal import Traces
internal import WeightFormats

/// Captions and noise to latents.
extension Verifier {
  /// Latents of each run by the run's name, as the autoencoder takes them but for its scaling factor.
  typealias FinalLatents = [String: HostTensor]

  func denoise(_ reference: ReferenceCase, _ captions: Captions) throws -> FinalLatents {
    guard let transformer = model.transformer else {
      report.omit("denoise (the model has no transformer)")
      return [:]
    }
    try compareInitialLatents(reference, transformer)
    let resident = device.backend.load(transformer.weights)
    try compareFirstStep(reference, transformer, resident)
    var finalLatents: FinalLatents = [:]
    for run in reference.runs {
      finalLatents[String(run.path.dropFirst(reference.path.count + 1))] = try replay(
        run, of: reference, captions, transformer, resident)
    }
    return finalLatents
  }

  /// Latents of the whole case, without the doubling that guidance brings.
  private func latentShape(
    _ reference: ReferenceCase, _ transformer: ModelUnderTest.Transformer
  ) -> Shape {
    Shape(
      batch: reference.prompts.count, height: reference.height / 32, width: reference.width / 32,
      channels: transformer.configuration.inputChannels)
  }

  /// Whether our generator makes the trace's latents from its seed.
  private func compareInitialLatents(
    _ reference: ReferenceCase, _ transformer: ModelUnderTest.Transformer
  ) throws {
    let shape = latentShape(reference, transformer)
    let path = "\(reference.path)/initial_latents"
    var generator = NormalGenerator(seed: reference.seed)
    try add(
      "\(path) from the seed", .exact,
      reference: try reader.floats(path, shape: shape.channelsFirst),
      result: generator.normals(count: shape.elementCount))
  }

  // MARK: The first step, on the trace's inputs

  private func compareFirstStep(
    _ reference: ReferenceCase, _ transformer: ModelUnderTest.Transformer,
    _ resident: any ResidentModel
  ) throws {
    let group = "\(reference.path)/first_step"
    guard trace.contains(group) else { return }
    let captions = try recordedCaptions(of: reference)
    let network = TransformerReplay(
      transformer, device, resident, captions: captions, fusion: .observable)
    var shape = latentShape(reference, transformer)
    shape.batch = captions.counts.count
    let observe = { (name: String, tensor: HostTensor) in
      try self.compare(name, tensor, in: group, .forwardPass)
    }
    try network.preparePrompt { name, tensor in
      try self.compare(name, tensor, in: group, .forwardPass, counts: captions.counts)
    }
    try network.prepareTimesteps(
      reader.floats("\(group)/timestep", shape: [shape.batch]),
      guidance: guidanceInput(reference, transformer), observer: observe)
    _ = try network.run(
      reader.tensor("\(group)/latent_model_input", shape),
      timestepRows: Array(0..<shape.batch), observer: observe)
  }

  /// What Sprint's guidance embedder is given.
  private func guidanceInput(
    _ reference: ReferenceCase, _ transformer: ModelUnderTest.Transformer
  ) -> Float {
    Float(reference.guidanceScale) * Float(transformer.configuration.guidanceEmbeddingScale)
  }

  // MARK: A whole run

  /// Runs all steps on what the pipeline computed itself.
  private func replay(
    _ run: ReferenceCase.Run, of reference: ReferenceCase, _ captions: Captions,
    _ transformer: ModelUnderTest.Transformer, _ resident: any ResidentModel
  ) throws -> HostTensor {
    let shape = latentShape(reference, transformer)
    var sampler = try run.sampler.kind.makeSampler(transformer.scheduler, steps: run.steps)
    let copies = captions.counts.count / reference.prompts.count
    let timesteps = sampler.modelTimesteps.map {
      $0 * Float(transformer.configuration.timestepScale)
    }
    try compareSchedule(run, sampler, timesteps, batch: captions.counts.count)

    let network = TransformerReplay(
      transformer, device, resident, captions: captions, fusion: .full)
    try network.preparePrompt(observer: nil)
    try network.prepareTimesteps(
      timesteps, guidance: guidanceInput(reference, transformer), observer: nil)
    let stepShape = [run.steps] + shape.channelsFirst
    let expected = try TraceArray(
      shape: stepShape, values: reader.floats("\(run.path)/latents", shape: stepShape))
    var outputShape = stepShape
    outputShape[1] *= copies
    let expectedOutputs = try TraceArray(
      shape: outputShape, values: reader.floats("\(run.path)/model_output", shape: outputShape))
    let noise =
      sampler.drawsNoise
      ? try TraceArray(
        shape: stepShape, values: reader.floats("\(run.path)/noise", shape: stepShape)) : nil

    var latents = sampler.initialLatents(
      try reader.floats("\(reference.path)/initial_latents", shape: shape.channelsFirst))
    for step in 0..<run.steps {
      try checkpoint()
      let input = sampler.modelInput(latents)
      var batched = shape
      batched.batch *= copies
      let output = try network.run(
        HostTensor(batched, channelsFirst: Array((0..<copies).map { _ in input }.joined())),
        timestepRows: [Int](repeating: step, count: batched.batch), observer: nil
      ).channelsFirstValues
      try add(
        "\(run.path)/model_output[\(step)]", .accumulated,
        reference: expectedOutputs[step].values, result: output)
      latents = sampler.step(
        modelOutput: copies == 1
          ? output
          : ClassifierFreeGuidance.combine(output, scale: Float(reference.guidanceScale)),
        latents: latents, noise: noise?[step].values ?? [])
      try add(
        "\(run.path)/latents[\(step)]", .accumulated, reference: expected[step].values,
        result: latents)
    }
    let finalLatents = sampler.finalLatents(latents)
    try add(
      "\(run.path)/final_latents", .accumulated,
      reference: reader.floats("\(run.path)/final_latents", shape: shape.channelsFirst),
      result: finalLatents)
    return HostTensor(shape, channelsFirst: finalLatents)
  }

  private func compareSchedule(
    _ run: ReferenceCase.Run, _ sampler: any Sampler, _ timesteps: [Float], batch: Int
  ) throws {
    try add(
      "\(run.path)/timesteps", .exact,
      reference: reader.floats("\(run.path)/timesteps", shape: [sampler.timesteps.count]),
      result: sampler.timesteps)
    try add(
      "\(run.path)/model_timestep", .exact,
      reference: reader.floats("\(run.path)/model_timestep", shape: [run.steps, batch]),
      result: timesteps.flatMap { [Float](repeating: $0, count: batch) })
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
