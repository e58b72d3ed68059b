public import ArgumentParser
public import Support
public import WeightFormats

extension ContainerCompression: ExpressibleByArgument {}

extension ArgumentHelp {
  /// What `--compression` of the tools that write models says.
  public static let compression = ArgumentHelp(
    "Which pieces are compressed: none; those that load faster so (fast); all that shrink by an eighth (small).",
    valueName: "none|fast|small")
}

extension StageTimes {
  private var stages: [Stage] { Stage.allCases.filter { self[$0].byteCount > 0 } }

  /// A table of the stages that ran. Seconds are added up over all threads.
  public var text: String {
    var table = TextTable([
      .init("stage"), .init("bytes", .right), .init("seconds", .right), .init("MB/s", .right),
    ])
    for stage in stages {
      let total = self[stage]
      table.append([
        stage.rawValue, ByteSize(total.byteCount).description, total.seconds.formatted(decimals: 2),
        (Double(total.byteCount) / max(total.seconds, 1e-9) / 1e6).formatted(decimals: 0),
      ])
    }
    return table.text
  }

  /// `{"read": {"bytes": ..., "seconds": ...}, ...}`
  public var json: MetadataValue {
    .object(
      stages.map { stage in
        let total = self[stage]
        return .init(
          stage.rawValue,
          ["bytes": .integer(Int64(total.byteCount)), "seconds": .number(total.seconds)])
      })
  }
}
