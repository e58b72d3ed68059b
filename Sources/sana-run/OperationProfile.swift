import CommandLineSupport
import SanaEngine
import WeightFormats

/// How often each kind of operation ran in each stage, and how long it took.
struct OperationProfile {
  private struct Entry {
    let stage: PipelineStage
    let operation: String
    var count = 0
    var time = Duration.zero
  }

  private var finished: [Entry] = []
  private var unassigned: [(operation: String, time: Duration)] = []

  mutating func add(_ node: Node, _ time: Duration) {
    unassigned.append((node.operation.kind, time))
  }

  /// Books what ran since the last call on this stage.
  mutating func end(_ stage: PipelineStage) {
    var entries: [String: Entry] = [:]
    for (operation, time) in unassigned {
      entries[operation, default: Entry(stage: stage, operation: operation)].count += 1
      entries[operation]?.time += time
    }
    unassigned = []
    finished += entries.values.sorted { $0.time > $1.time }
  }

  var json: MetadataValue {
    .array(
      finished.map { entry in
        [
          "stage": .string(entry.stage.rawValue), "operation": .string(entry.operation),
          "count": .integer(Int64(entry.count)), "seconds": .number(entry.time.seconds),
        ]
      })
  }

  /// The costliest operation of each stage first.
  var table: String {
    guard !finished.isEmpty else { return "" }
    let total = finished.reduce(0) { $0 + $1.time.seconds }
    var table = TextTable([
      .init("stage"), .init("operation"), .init("count", .right), .init("time", .right),
      .init("share", .right),
    ])
    for entry in finished {
      table.append([
        entry.stage.rawValue, entry.operation, "\(entry.count)", entry.time.readable,
        "\((100 * entry.time.seconds / total).formatted(decimals: 1))%",
      ])
    }
    return table.text
  }
}
