public import SanaGraph
internal import SanaModels

/// The transformer bound to captions, a schedule and a size: evaluates any step of the schedule.
public final class Denoiser {
  /// What depends on the step alone, for all steps: `[steps, 1, channels]`.
  struct Schedule {
    /// Of the tensors.
    let claim: MemoryClaim
    let graph: Graph
    let modulation: HostTensor
    let embeddedTimestep: HostTensor
  }

  /// The graph of a step for some of the batch, bound to their captions.
  struct Run {
    /// What made the keys and values of the captions.
    let promptGraph: Graph
    let parts: LinearDiffusionTransformer.StepGraph
    let executable: any Executable

    /// Gives every batch element the schedule's row.
    func write(_ table: HostTensor, row: Int, to value: Value) {
      let shape = executable.graph[value].shape
      let vector = table.values[row * shape.channels..<(row + 1) * shape.channels]
      executable.write(
        HostTensor(shape, (0..<shape.batch).flatMap { _ in vector }), to: value)
    }
  }

  /// One after the other, they evaluate the batch.
  private let runs: [Run]
  private let schedule: Schedule
  private let usesGuidance: Bool
  private let check: FiniteCheck
  private let model: any ResidentModel
  private let ledger: MemoryLedger
  private let context: RunContext
  /// Shape of the latents, `[pictures, h, w, channels]`.
  public let latentShape: Shape

  init(
    runs: [Run], schedule: Schedule, latentShape: Shape, usesGuidance: Bool, check: FiniteCheck,
    model: any ResidentModel, ledger: MemoryLedger, context: RunContext
  ) {
    self.model = model
    self.ledger = ledger
    self.context = context
    self.runs = runs
    self.schedule = schedule
    self.latentShape = latentShape
    self.usesGuidance = usesGuidance
    self.check = check
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
    try ledger.holding(
      Self.evaluationBytes(latentShape, branches: usesGuidance ? 2 : 1), for: .kept,
      "the network's input and output"
    ) { try compute(modelInput, step: step, observer: observer) }
  }

  /// Bytes of what `evaluate` gives the network and is given by it.
  /// - Parameter branches: two with guidance, otherwise one.
  static func evaluationBytes(_ latents: Shape, branches: Int) -> Int {
    2 * branches * latents.elementCount * MemoryLayout<Float>.size
  }

  private func compute(
    _ modelInput: [Float], step: Int, observer: ValueObserver?
  ) throws -> HostTensor {
    var rest = (usesGuidance ? modelInput + modelInput : modelInput)[...]
    for run in runs {
      let (parts, executable) = (run.parts, run.executable)
      let input = executable.graph[parts.latents].shape
      executable.write(HostTensor(input, Array(rest.prefix(input.elementCount))), to: parts.latents)
      rest = rest.dropFirst(input.elementCount)
      run.write(schedule.modulation, row: step, to: parts.modulation)
      run.write(schedule.embeddedTimestep, row: step, to: parts.embeddedTimestep)
    }
    try runAll(context.observed(by: observer))
    var shape = latentShape.with(batch: 0)
    var values: [Float] = []
    for run in runs {
      let output = run.executable.read(run.parts.modelOutput)
      values += output.values
      shape = output.shape.with(batch: shape.batch + output.shape.batch)
    }
    let output = HostTensor(shape, values)
    try requireFinite(output, "model_output of step \(step + 1)")
    return output
  }

  /// Where weights are streamed, all runs do a segment before one begins the next; otherwise what a
  /// run hands on stays in the caches.
  private func runAll(_ context: RunContext) throws {
    let executables = runs.map(\.executable)
    if executables.contains(where: { $0.plan.streamedBytes > 0 }) {
      try model.run(executables, context)
    } else {
      for executable in executables { try executable.run(context) }
    }
  }

  private func requireFinite(_ tensor: HostTensor, _ name: @autoclosure () -> String) throws {
    try check.require(
      tensor, name(),
      from: [schedule.graph] + runs.flatMap { [$0.promptGraph, $0.executable.graph] })
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
    let claim = try ledger.claim(Self.samplingBytes(latentShape), for: .kept, "latents and noise")
    defer { withExtendedLifetime(claim) {} }
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
    try requireFinite(result, "final latents")
    return result
  }

  /// Bytes of noise, latents, and what a sampler makes of them.
  static func samplingBytes(_ latents: Shape) -> Int {
    5 * latents.elementCount * MemoryLayout<Float>.size
  }
}
