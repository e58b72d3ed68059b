internal import SanaGraph

/// Classifier-free guidance (arXiv 2207.12598): the transformer runs on a batch whose first half has the negative prompt.
public enum ClassifierFreeGuidance {
  /// Guidance changes nothing at a scale of 1, and the official pipelines leave it out up to there.
  public static func isActive(scale: Float) -> Bool { scale > 1 }

  /// `unconditional + scale * (conditional - unconditional)`.
  ///
  /// - Parameter modelOutput: both halves, the unconditional one first.
  /// - Returns: half as many numbers.
  public static func combine(_ modelOutput: [Float], scale: Float) -> [Float] {
    let half = modelOutput.count / 2
    return (0..<half).map {
      modelOutput[$0] + scale * (modelOutput[$0 + half] - modelOutput[$0])
    }
  }
}
