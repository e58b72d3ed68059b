internal import WeightFormats

/// The transformer bound to captions, a schedule and a size: evaluates any step of the schedule.
public final class Denoiser {
  /// What depends on the step alone, for all steps: `[steps, 1, channels]`.
  struct Schedule {
    let modulation: HostTensor
    let embeddedTimestep: HostTensor
  }

  private let parts: LinearDiffusionTransformer.StepGraph
  private let executable: any Executable
  private let schedule: Schedule
  private let pictures: Int
  private let usesGuidance: Bool

  init(
    parts: LinearDiffusionTransformer.StepGraph, executable: any Executable, schedule: Schedule,
    pictures: Int, usesGuidance: Bool
  ) {
    self.parts = parts
    self.executable = executable
    self.schedule = schedule
    self.pictures = pictures
    self.usesGuidance = usesGuidance
  }

  /// Shape of the latents, `[pictures, h, w, channels]`.
  public var latentShape: Shape {
    var shape = executable.graph[parts.latents].shape
    shape.batch = pictures
    return shape
  }

  /// One evaluation of the transformer, before guidance.
  ///
  /// - Parameters:
  ///   - modelInput: of `latentShape`, in the order of the graph (channels last).
  ///   - step: index into the schedule.
  /// - Returns: `[pictures, h, w, channels]`, or twice as many with the unconditional half first.
  /// - Throws: `.numericalFailure` when the output is not finite, and what the back end or the observer throws.
  public func evaluate(
    _ modelInput: [Float], step: Int, observer: ValueObserver? = nil
  ) throws -> HostTensor {
    let shape = executable.graph[parts.latents].shape
    executable.write(
      HostTensor(shape, usesGuidance ? modelInput + modelInput : modelInput), to: parts.latents)
    write(schedule.modulation, row: step, to: parts.modulation)
    write(schedule.embeddedTimestep, row: step, to: parts.embeddedTimestep)
    try executable.run(observer: observer)
    let output = executable.read(parts.modelOutput)
    try output.requireFinite("model_output of step \(step + 1)")
    return output
  }

  /// Gives every batch element the schedule's row.
  private func write(_ table: HostTensor, row: Int, to value: Value) {
    let shape = executable.graph[value].shape
    let vector = table.values[row * shape.channels..<(row + 1) * shape.channels]
    executable.write(
      HostTensor(shape, (0..<shape.batch).flatMap { _ in vector }), to: value)
  }
}

/// Where a sampling loop stands after a step.
public struct DenoisingStep: Sendable {
  /// Index of the step just done.
  public let index: Int
  /// The transformer's output before guidance.
  public let modelOutput: HostTensor
  public let latents: HostTensor
}

extension Denoiser {
  /// Walks a whole schedule.
  ///
  /// - Parameters:
  ///   - sampler: at its beginning, for the timesteps this denoiser was prepared with.
  ///   - initialNoise: standard normal numbers, of `latentShape`.
  ///   - guidanceScale: of classifier-free guidance; of no effect without an unconditional half.
  ///   - noise: more of them, asked for at every step of a sampler that draws noise.
  ///   - onStep: called after every step; a throw stops the loop.
  /// - Returns: what the autoencoder decodes, before division by its scaling factor.
  public func sample(
    with sampler: consuming any Sampler, initialNoise: HostTensor, guidanceScale: Float,
    noise: () -> HostTensor, onStep: (DenoisingStep) throws -> Void = { _ in }
  ) throws -> HostTensor {
    var sampler = sampler
    let shape = latentShape
    precondition(initialNoise.shape == shape)
    var latents = sampler.initialLatents(initialNoise.values)
    for step in 0..<sampler.stepCount {
      let output = try evaluate(sampler.modelInput(latents), step: step)
      let guided =
        usesGuidance
        ? ClassifierFreeGuidance.combine(output.values, scale: guidanceScale) : output.values
      latents = sampler.step(
        modelOutput: guided, latents: latents,
        noise: sampler.drawsNoise ? noise().values : [])
      try onStep(
        DenoisingStep(index: step, modelOutput: output, latents: HostTensor(shape, latents)))
    }
    let result = HostTensor(shape, sampler.finalLatents(latents))
    try result.requireFinite("final latents")
    return result
  }
}
