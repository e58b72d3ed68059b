import CommandLineSupport
import SanaEngine
import SanaGraph
import Support

/// What the measurement of one stage found.
struct StageMeasurement {
  let stage: PipelineStage
  /// From nothing loaded to the end of the first unit.
  let first: Duration
  /// Of each repetition.
  let times: [Duration]
  /// Of all repetitions together.
  let profile: OperationProfile

  var median: Duration { times.sorted()[times.count / 2] }

  /// What the stage repeats.
  private var unit: String {
    switch stage {
    case .text: "text of all prompts"
    case .denoise: "one denoising step"
    case .decode: "decoding of one picture"
    }
  }

  private func json(of entry: OperationProfile.Entry, _ label: String) -> MetadataValue {
    .object([
      .init("stage", .string(stage.rawValue)), .init(label, .string(entry.name)),
      .init("count", .integer(Int64(entry.count / times.count))),
      .init("seconds", .number(entry.seconds / Double(times.count))),
      .init("share", .number(entry.seconds / profile.total)),
      .init("operations_per_second", entry.rate.map { .number($0) } ?? .null),
      .init("peak_share", entry.peakShare.map { .number($0) } ?? .null),
    ])
  }

  var json: MetadataValue {
    [
      "stage": .string(stage.rawValue), "unit": .string(unit),
      "first_seconds": .number(first.seconds), "median_seconds": .number(median.seconds),
      "seconds": .array(times.map { .number($0.seconds) }),
    ]
  }

  var operationsJSON: [MetadataValue] { profile.byKind.map { json(of: $0, "operation") } }

  func costliestJSON(_ count: Int) -> [MetadataValue] {
    profile.byStep.prefix(count).map { json(of: $0, "weight") }
  }

  /// For people.
  /// - Parameter steps: how many of the costliest steps are listed one by one.
  func summary(steps: Int) -> String {
    var text =
      "\(stage.rawValue): \(unit) \(median.readable) (median of \(times.count)); load and first \(first.readable)\n\n"
    text += table(profile.byKind, "operation")
    if steps > 0 { text += "\n" + table(Array(profile.byStep.prefix(steps)), "costliest") }
    return text
  }

  private func table(_ entries: [OperationProfile.Entry], _ title: String) -> String {
    var table = TextTable([
      .init(title), .init("count", .right), .init("time", .right), .init("share", .right),
      .init("Gop/s", .right), .init("of peak", .right),
    ])
    for entry in entries {
      let seconds = entry.seconds / Double(times.count)
      table.append([
        entry.name, "\(entry.count / times.count)",
        "\((seconds * 1000).formatted(decimals: 1)) ms",
        "\((100 * entry.seconds / profile.total).formatted(decimals: 1)) %",
        entry.rate.map { ($0 / 1e9).formatted(decimals: 0) } ?? "",
        entry.peakShare.map { "\((100 * $0).formatted(decimals: 1)) %" } ?? "",
      ])
    }
    return table.text
  }
}
