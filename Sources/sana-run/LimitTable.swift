import CommandLineSupport
import SanaEngine
import SanaGraph
import Support

/// What a run would do within limits that machines have.
struct LimitTable {
  let text: String

  private static let gibibytes = [2, 4, 6, 8, 12, 16]

  init(of pipeline: Pipeline) throws {
    let free = try pipeline.plan(limit: nil)
    var table = TextTable([
      .init("limit", .right), .init("peak", .right), .init("more time", .right),
      .init("what is done"),
    ])
    for limit in Self.gibibytes.map({ $0 << 30 }) {
      let plan = try pipeline.plan(limit: limit)
      guard plan.peakBytes <= limit else {
        table.append([ByteSize(limit).description, "", "", "too little"])
        continue
      }
      let seconds = plan.means.reduce(0) { $0 + $1.means.seconds }
      table.append([
        ByteSize(limit).description, ByteSize(plan.peakBytes).description,
        seconds > 0 ? Duration.seconds(seconds).readable : "",
        plan.means.isEmpty
          ? "as without a limit"
          : plan.means.map { "\($0.stage.rawValue): \($0.means.kind.rawValue)" }
            .joined(separator: ", "),
      ])
    }
    text =
      table.text
      + "\nleast limit \(ByteSize(try pipeline.leastLimit())), fastest with \(ByteSize(free.peakBytes))\n"
  }
}
