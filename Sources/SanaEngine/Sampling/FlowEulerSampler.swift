internal import SanaGraph

/// Euler's method on a flow: `diffusers.FlowMatchEulerDiscreteScheduler` without dynamic shifting.
///
/// The schedule ends at a noise level that is shifted twice: diffusers shifts its smallest training level once when the scheduler is
/// made and once more with all others.
public struct FlowEulerSampler: Sampler {
  public let timesteps: [Float]
  /// Noise levels, one more than there are steps; the last is 0.
  public let sigmas: [Float]
  public private(set) var currentStep = 0

  public var modelTimesteps: [Float] { timesteps }
  public var drawsNoise: Bool { false }

  /// - Precondition: `steps` is positive.
  public init(shift: Double, trainingTimesteps: Int, steps: Int) {
    let count = Double(trainingTimesteps)
    // The ends are rounded to float32 when the scheduler is made, then go on in double precision.
    let ends = [Float(1), 1 / Float(trainingTimesteps)].map { level in
      Double(Float(shift) * level / (1 + Float(shift - 1) * level))
    }
    let levels = evenlySpaced(from: ends[0] * count, through: ends[1] * count, count: steps)
      .map { Float(shiftedSigma($0 / count, by: shift)) }
    timesteps = levels.map { $0 * Float(trainingTimesteps) }
    sigmas = levels + [0]
  }

  public func initialLatents(_ noise: [Float]) -> [Float] { noise }
  public func modelInput(_ latents: [Float]) -> [Float] { latents }
  public func finalLatents(_ latents: [Float]) -> [Float] { latents }

  public mutating func step(modelOutput: [Float], latents: [Float], noise: [Float]) -> [Float] {
    precondition(currentStep < stepCount)
    let change = sigmas[currentStep + 1] - sigmas[currentStep]
    currentStep += 1
    return zip(latents, modelOutput).map { $0 + change * $1 }
  }
}
