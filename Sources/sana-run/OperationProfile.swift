import CPUBackend
import CommandLineSupport
import SanaEngine
import SanaGraph
import Support

/// How often each kind of operation runs in a stage, how long it takes, and how near the processor's peak it comes.
struct OperationProfile {
  /// Steps of a graph that are counted together.
  struct Entry {
    let name: String
    var count = 0
    var seconds = 0.0
    /// Seconds of what has operations to count, and the least seconds they would take.
    var countedSeconds = 0.0
    var leastSeconds = 0.0
    var operations = 0.0

    mutating func add(_ step: ExecutedStep, _ peak: ProcessorPeak?) {
      let seconds = step.duration.seconds
      count += 1
      self.seconds += seconds
      guard step.operationCount > 0 else { return }
      operations += Double(step.operationCount)
      countedSeconds += seconds
      if let peak {
        leastSeconds += Double(step.operationCount) / peak.of(step.arithmetic)
      }
    }

    /// Additions and multiplications a second; nil where there are none to count.
    var rate: Double? { operations > 0 ? operations / countedSeconds : nil }

    /// The rate as a part of the peak.
    var peakShare: Double? { leastSeconds > 0 ? leastSeconds / countedSeconds : nil }
  }

  private let peak: ProcessorPeak?
  private var kinds: [String: Entry] = [:]
  private var steps: [String: Entry] = [:]

  init(peak: ProcessorPeak?) { self.peak = peak }

  mutating func add(_ step: ExecutedStep, _ graph: Graph) {
    kinds[step.kind, default: Entry(name: step.kind)].add(step, peak)
    let name = step.name(in: graph)
    steps[name, default: Entry(name: name)].add(step, peak)
  }

  /// The costliest kind first.
  var byKind: [Entry] { sorted(kinds) }
  /// Likewise, by weight.
  var byStep: [Entry] { sorted(steps) }

  private func sorted(_ entries: [String: Entry]) -> [Entry] {
    entries.values.sorted { ($1.seconds, $0.name) < ($0.seconds, $1.name) }
  }

  var total: Double { kinds.values.reduce(0) { $0 + $1.seconds } }
}
