internal import SanaGraph

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// DPM-Solver++ (2M, midpoint) on a flow's noise levels: `diffusers.DPMSolverMultistepScheduler` with `use_flow_sigmas`,
/// `flow_prediction` and `final_sigmas_type` zero (paper: arXiv 2211.01095, algorithm 2).
///
/// The first step and the last are of first order, all between of second. The last one lands on the predicted clean latents.
public struct DPMSolverSampler: Sampler {
  /// Whole numbers: diffusers truncates `1000 sigma`.
  public let timesteps: [Float]
  /// Noise levels, one more than there are steps; the last is 0.
  public let sigmas: [Float]
  public private(set) var currentStep = 0
  /// The prediction of the clean latents at the previous step.
  private var previousClean: [Float] = []

  public var modelTimesteps: [Float] { timesteps }
  public var drawsNoise: Bool { false }

  /// - Precondition: `steps` is positive.
  public init(shift: Double, trainingTimesteps: Int, steps: Int) {
    let alphas = evenlySpaced(from: 1, through: 1 / Double(trainingTimesteps), count: steps + 1)
    let levels = alphas.dropFirst().reversed().map { shiftedSigma(1 - $0, by: shift) }
    timesteps = levels.map { Float(($0 * Double(trainingTimesteps)).rounded(.towardZero)) }
    sigmas = levels.map { Float($0) } + [0]
  }

  public func initialLatents(_ noise: [Float]) -> [Float] { noise }
  public func modelInput(_ latents: [Float]) -> [Float] { latents }
  public func finalLatents(_ latents: [Float]) -> [Float] { latents }

  public mutating func step(modelOutput: [Float], latents: [Float], noise: [Float]) -> [Float] {
    precondition(currentStep < stepCount)
    let sigma = sigmas[currentStep]
    let next = sigmas[currentStep + 1]
    let clean = zip(latents, modelOutput).map { $0 - sigma * $1 }
    let stepSize = logSignalToNoise(next) - logSignalToNoise(sigma)
    let decay = next / sigma
    let gain = (1 - next) * (expf(-stepSize) - 1)
    let isFirstOrder = currentStep == 0 || currentStep == stepCount - 1
    var result = zip(latents, clean).map { decay * $0 - gain * $1 }
    if !isFirstOrder {
      let previousStepSize =
        logSignalToNoise(sigma) - logSignalToNoise(sigmas[currentStep - 1])
      let slope = 1 / (previousStepSize / stepSize)
      for index in result.indices {
        let derivative = slope * (clean[index] - previousClean[index])
        result[index] -= (0.5 * gain) * derivative
      }
    }
    previousClean = clean
    currentStep += 1
    return result
  }

  /// `lambda = log(alpha / sigma)`; infinite at the end of the schedule, where it makes `gain` -1 and `decay` 0.
  private func logSignalToNoise(_ sigma: Float) -> Float { logf(1 - sigma) - logf(sigma) }
}
