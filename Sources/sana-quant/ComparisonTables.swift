import CommandLineSupport
import Support
import Traces
import Verification
import WeightFormats

/// A comparison of two models for a terminal.
struct ComparisonTables {
  private let comparison: PipelineComparison

  init(_ comparison: PipelineComparison) { self.comparison = comparison }

  var text: String {
    var parts = [models, stages]
    if !comparison.offenders.isEmpty { parts.append(offenders) }
    parts.append(verdict)
    return parts.joined(separator: "\n")
  }

  private var models: String {
    var table = TextTable([
      .init(""), .init("model"), .init("size", .right), .init("made as"), .init("computed in"),
      .init("SHA-256"),
    ])
    for (role, model) in [("reference", comparison.reference), ("variant", comparison.tested)] {
      table.append([
        role, FileSystem.name(of: model.path), ByteSize(model.byteCount).description,
        model.recipe ?? "", model.precision, String(model.digest.prefix(16)),
      ])
    }
    return table.text
  }

  private var stages: String {
    var table = TextTable([
      .init("stage"), .init("compared", .right), .init("mean", .right),
      .init("95 % interval", .right), .init("worst", .right),
    ])
    for stage in comparison.stages {
      let spread = stage.spread
      func number(_ value: Double?) -> String {
        value.map { $0.formatted(decimals: stage.unit.isEmpty ? 4 : 1) } ?? ""
      }
      let unit = stage.unit.isEmpty ? "" : " \(stage.unit)"
      table.append([
        stage.name,
        "\(spread.count)\(spread.equalCount > 0 ? ", \(spread.equalCount) equal" : "")",
        spread.mean == nil ? "equal" : number(spread.mean) + unit,
        spread.interval.map { "\(number($0.lowerBound)) to \(number($0.upperBound))" } ?? "",
        spread.worst == nil ? "" : number(spread.worst) + unit,
      ])
    }
    return table.text
  }

  private var offenders: String {
    var table = TextTable([
      .init("to keep in 16 bits"), .init("own dB", .right), .init("in the network", .right),
      .init("closer by", .right), .init("bytes", .right), .init("time", .right),
    ])
    for offender in comparison.offenders {
      let operation = offender.operation
      table.append([
        "--rule '\(operation.rule)'",
        operation.own.signalToNoiseDecibels.formatted(decimals: 1),
        operation.inherited.signalToNoiseDecibels.formatted(decimals: 1),
        offender.gainDecibels.map { "\($0.formatted(decimals: 2)) dB" } ?? "not alone",
        ByteSize(max(operation.protectionBytes, 0)).description,
        Self.time(offender.addedTime.seconds),
      ])
    }
    return table.text
  }

  private static func time(_ seconds: Double) -> String {
    seconds <= 0
      ? "none"
      : seconds < 0.01
        ? "+\((seconds * 1e6).formatted(decimals: 0)) µs"
        : "+\((seconds * 1e3).formatted(decimals: 1)) ms"
  }

  private var verdict: String {
    guard !comparison.gates.isEmpty else { return "compared, without bounds\n" }
    return comparison.gates.map { gate in
      let worst =
        gate.worstDecibels == .infinity
        ? "equal" : "\(gate.worstDecibels.formatted(decimals: 1)) dB at worst"
      return
        "\(gate.passed ? "passed" : "failed"): \(gate.measure.rawValue), \(worst), of at least \(gate.minimumDecibels.formatted(decimals: 1)) dB\n"
    }.joined()
  }
}
