import ArgumentParser
import CommandLineSupport
import SanaEngine
import WeightFormats

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how long every stage and every kind of operation takes.",
    discussion: "Draws a picture and throws it away.")

  @Option(help: "What to draw.")
  var prompt: String = "a red circle on a blue background"

  @OptionGroup var arguments: RunArguments

  func run() throws {
    try ToolSession.run { session in
      let run = try arguments.prepare(prompt: prompt, session)
      let pipeline = run.pipeline
      for note in pipeline.notes { session.progress.note(note) }
      try pipeline.checkMemory(limit: arguments.device.memoryLimit, session)

      var profile = OperationProfile()
      var report = run.report
      try pipeline.run(session, on: run.backend, onNode: { profile.add($0, $1) }) { _, _ in
      } onStageEnd: { stage, time in
        report.times[stage] = time
        profile.end(stage)
      }
      if arguments.json {
        var members = report.json.members ?? []
        members.append(.init("operations", profile.json))
        JSONOutput.print(.object(members))
      } else {
        OutputStream.standardOutput.write(report.summary + "\n" + profile.table)
      }
    }
  }
}
