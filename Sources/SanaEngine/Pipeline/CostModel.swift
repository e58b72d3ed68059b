internal import SanaGraph

/// About how long things take on an ordinary processor, to weigh the means of saving memory against
/// each other. `sana-run bench` measures what they take on this one.
struct CostModel: Hashable {
  /// Additions and multiplications a second.
  static let operationsPerSecond = 600e9
  /// Bytes of weights that a thread reads, verifies and brings into their form in a second, beside
  /// one that computes: of int8 weights on Zen 4, of which 3.2 GB a step made a step of 4.8B take
  /// 0.4 s longer on two threads.
  static let loadedBytesPerSecond = 4.0e9
  /// Positions of the bands that are considered.
  static let bandPositions = [16384, 4096, 1024, 256, 64]

  /// Threads that compute and load.
  let threads: Int

  /// Seconds of a run of the stage's main graphs.
  func seconds(_ choices: StageChoices, _ memory: StageMemory) -> Double {
    var seconds = Double(memory.operationCount) / Self.operationsPerSecond
    // Weights are read into the caches once for each band.
    if let positions = choices.bandPositions { seconds *= 1 + 24 / Double(positions + 24) }
    if choices.captionForm == .captions { seconds *= 1.01 }
    // One thread loads while the others compute.
    let loading = Double(memory.streamedBytes) / Self.loadedBytesPerSecond
    return max(seconds + loading / Double(max(threads, 1)), loading)
  }
}
