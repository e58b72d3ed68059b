internal import SanaGraph

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The sampler of SANA-Sprint: `diffusers.SCMScheduler` (TrigFlow), with what `SanaSprintPipeline` does around it.
///
/// The transformer speaks the language of a flow, the scheduler that of angles `t` from pi/2 (noise) to 0: with
/// `s = sin t / (sin t + cos t)` and `n = sqrt(s^2 + (1 - s)^2)` the transformer is given `n x / sigma_data` at time s, and its output F becomes
/// `((1 - 2s) n x / sigma_data + (1 - 2s + 2s^2) F) / n * sigma_data`.
public struct ConsistencySampler: Sampler {
  /// Angles, one more than there are steps; the last is 0.
  public let timesteps: [Float]
  public let modelTimesteps: [Float]
  public private(set) var currentStep = 0
  /// The prediction of the clean latents at the last step done.
  private var clean: [Float] = []
  private let sigmaData: Float

  public var drawsNoise: Bool { true }

  /// The pipeline's `max_timesteps`: a rounded pi/2.
  private static let firstAngle: Float = 1.57080
  /// The pipeline's `intermediate_timesteps`, for two steps.
  private static let middleAngle: Float = 1.3

  /// - Precondition: `steps` is positive.
  public init(sigmaData: Double, steps: Int) {
    self.sigmaData = Float(sigmaData)
    timesteps =
      steps == 2
      ? [Self.firstAngle, Self.middleAngle, 0] : Self.evenAngles(count: steps + 1)
    modelTimesteps = timesteps.dropLast().map { sinf($0) / (cosf($0) + sinf($0)) }
  }

  /// `torch.linspace` in float32, which counts from the nearer end.
  private static func evenAngles(count: Int) -> [Float] {
    let step = -firstAngle / Float(count - 1)
    return (0..<count).map {
      $0 < count / 2 ? firstAngle + step * Float($0) : -step * Float(count - 1 - $0)
    }
  }

  public func initialLatents(_ noise: [Float]) -> [Float] { noise.map { $0 * sigmaData } }

  public func modelInput(_ latents: [Float]) -> [Float] {
    let norm = flowNorm(modelTimesteps[currentStep])
    return latents.map { $0 / sigmaData * norm }
  }

  public mutating func step(modelOutput: [Float], latents: [Float], noise: [Float]) -> [Float] {
    precondition(currentStep < stepCount)
    let time = modelTimesteps[currentStep]
    let norm = flowNorm(time)
    let inputFactor = 1 - 2 * time
    let outputFactor = 1 - 2 * time + 2 * (time * time)
    let velocity = zip(modelInput(latents), modelOutput).map {
      (inputFactor * $0 + outputFactor * $1) / norm * sigmaData
    }
    let (cosine, sine) = (cosf(timesteps[currentStep]), sinf(timesteps[currentStep]))
    clean = zip(latents, velocity).map { cosine * $0 - sine * $1 }
    currentStep += 1
    let (nextCosine, nextSine) = (cosf(timesteps[currentStep]), sinf(timesteps[currentStep]))
    return zip(clean, noise).map { nextCosine * $0 + nextSine * ($1 * sigmaData) }
  }

  /// The picture comes from the last prediction, not from the latents with noise added.
  public func finalLatents(_ latents: [Float]) -> [Float] { clean.map { $0 / sigmaData } }

  private func flowNorm(_ time: Float) -> Float {
    (time * time + (1 - time) * (1 - time)).squareRoot()
  }
}
