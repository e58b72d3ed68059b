internal import SanaGraph

/// Something that is done to hold less memory.
public struct MemoryMeans: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable {
    /// Weights are read from the file whenever they are used, ahead of the computation.
    case streamWeights = "stream-weights"
    /// Keys and values are computed from the captions in every step.
    case recomputeKeysAndValues = "recompute-keys-and-values"
    /// Images are computed in bands of rows.
    case bands
  }

  public let kind: Kind
  /// What is done, for people.
  public let description: String
  /// About how much longer the stage takes for it.
  public let seconds: Double
}

extension StagePlanner.Plan {
  /// - Parameter times: how often the stage's main graphs run.
  func means(times: Int) -> [MemoryMeans] {
    var means: [MemoryMeans] = []
    let added = max(seconds - fastestSeconds, 0) * Double(times)
    let count = [
      memory.streamedBytes > 0, choices.captionForm == .captions,
      choices.bandPositions != nil,
    ].count { $0 }
    func add(_ kind: MemoryMeans.Kind, _ description: String) {
      means.append(
        MemoryMeans(kind: kind, description: description, seconds: added / Double(count)))
    }
    if memory.streamedBytes > 0 {
      add(
        .streamWeights,
        "\(memory.streamedBytes >> 20) MiB of weights are read from the file each time they are used"
      )
    }
    if choices.captionForm == .captions {
      add(.recomputeKeysAndValues, "keys and values of the captions are computed in every step")
    }
    if let positions = choices.bandPositions {
      add(.bands, "images are computed in bands of about \(positions) positions")
    }
    return means
  }
}
