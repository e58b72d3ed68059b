internal import SanaGraph
internal import Support
public import WeightFormats

/// A noise schedule and the rule that moves the latents along it: a value that knows how far it has come.
///
/// One evaluation of the transformer a step:
///
///     var latents = sampler.initialLatents(noise)
///     for timestep in sampler.modelTimesteps {
///       let output = transformer(sampler.modelInput(latents), timestep)
///       latents = sampler.step(modelOutput: output, latents: latents, noise: …)
///     }
///     decode(sampler.finalLatents(latents))
///
/// All arithmetic is elementwise float32 as in diffusers, so the order of the elements does not matter as long as it is
/// the same everywhere. All arrays given to one sampler have the same length.
public protocol Sampler: Sendable {
  /// The schedule as diffusers lists it (`scheduler.timesteps`).
  var timesteps: [Float] { get }

  /// Evaluations of the transformer.
  var stepCount: Int { get }

  /// Index of the next step: `stepCount` when all are done.
  var currentStep: Int { get }

  /// Value of the transformer's timestep input at every step, before the configuration's `timestepScale`.
  var modelTimesteps: [Float] { get }

  /// Whether `step` takes noise: as many standard normal numbers as there are latents, drawn at every step, also at the last.
  var drawsNoise: Bool { get }

  /// From standard normal numbers to the latents of the first step.
  func initialLatents(_ noise: [Float]) -> [Float]

  /// What the transformer sees of the latents at the current step.
  func modelInput(_ latents: [Float]) -> [Float]

  /// Moves the latents one step along the schedule.
  ///
  /// - Parameters:
  ///   - modelOutput: the transformer's output, after guidance.
  ///   - noise: standard normal numbers if the sampler `drawsNoise`, otherwise ignored.
  /// - Precondition: `currentStep < stepCount`.
  mutating func step(modelOutput: [Float], latents: [Float], noise: [Float]) -> [Float]

  /// What the autoencoder decodes, before division by its scaling factor.
  func finalLatents(_ latents: [Float]) -> [Float]
}

extension Sampler {
  public var stepCount: Int { modelTimesteps.count }
}

/// A sampler by name, as on the command line.
public enum SamplerKind: String, Hashable, Sendable, CaseIterable {
  /// DPM-Solver++ with flow sigmas, order 2, midpoint (`DPMSolverMultistepScheduler`).
  case dpmSolver = "dpm++"
  /// Flow-match Euler (`FlowMatchEulerDiscreteScheduler`).
  case flowEuler = "euler"
  /// Continuous-time consistency model (`SCMScheduler`), for Sprint.
  case consistency = "scm"

  /// The sampler that a checkpoint was made for.
  public init(_ configuration: SchedulerConfiguration) {
    self =
      switch configuration {
      case .dpmSolver: .dpmSolver
      case .flowEuler: .flowEuler
      case .consistency: .consistency
      }
  }

  /// Steps that the official pipeline takes unless told otherwise.
  public var standardStepCount: Int { self == .consistency ? 2 : 20 }

  /// - Parameter configuration: the checkpoint's scheduler, whose shift any flow sampler takes over.
  /// - Throws: `.invalidArgument` for a step count outside 1 ... training timesteps, or a sampler of another family than
  ///   the checkpoint was trained for.
  public func makeSampler(
    _ configuration: SchedulerConfiguration, steps: Int
  ) throws -> any Sampler {
    let trainingTimesteps =
      switch configuration {
      case .dpmSolver(_, let count), .flowEuler(_, let count), .consistency(_, let count): count
      }
    guard (1...max(1, trainingTimesteps)).contains(steps) else {
      throw SanaError(
        .invalidArgument, "\(steps) steps are not possible",
        remedy: "choose 1 to \(trainingTimesteps) steps")
    }
    return switch (self, configuration) {
    case (.dpmSolver, .dpmSolver(let shift, let count)),
      (.dpmSolver, .flowEuler(let shift, let count)):
      DPMSolverSampler(shift: shift, trainingTimesteps: count, steps: steps)
    case (.flowEuler, .dpmSolver(let shift, let count)),
      (.flowEuler, .flowEuler(let shift, let count)):
      FlowEulerSampler(shift: shift, trainingTimesteps: count, steps: steps)
    case (.consistency, .consistency(let sigmaData, _)):
      ConsistencySampler(sigmaData: sigmaData, steps: steps)
    case (.consistency, _):
      throw SanaError(
        .invalidArgument, "the scheduler scm works with Sprint models only",
        remedy: "choose dpm++ or euler")
    case (_, .consistency):
      throw SanaError(
        .invalidArgument, "a Sprint model works with the scheduler scm only",
        remedy: "leave the scheduler out, or choose scm")
    }
  }
}
