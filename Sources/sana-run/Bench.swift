import ArgumentParser
import CommandLineSupport
import SanaEngine
import WeightFormats

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how long every stage and every kind of operation takes.",
    discussion: "Draws a picture and throws it away.")

  @Argument(help: "A .sana file with text encoder, transformer and autoencoder.")
  var model: String

  @Option(help: "What to draw.")
  var prompt: String = "a red circle on a blue background"

  @OptionGroup var picture: PictureArguments
  @OptionGroup var device: DeviceArguments

  @Flag(help: "Print one JSON object on standard output.")
  var json = false

  func run() throws {
    try ToolSession.run { session in
      let backend = try device.makeBackend(session)
      let pipeline = try Pipeline(
        model: try PipelineModel(path: model), backend: backend,
        request: try picture.request(prompts: [prompt]))
      for note in pipeline.notes { session.progress.note(note) }
      try pipeline.checkMemory(limit: device.memoryLimit, session)

      var profile = OperationProfile()
      var report = RunReport(
        modelPath: model, pipeline: pipeline, backend: backend, device: device)
      try pipeline.run(session, on: backend, onNode: { profile.add($0, $1) }) { _, _ in
      } onStageEnd: { stage, time in
        report.times[stage] = time
        profile.end(stage)
      }
      if json {
        var members = report.json.members ?? []
        members.append(.init("operations", profile.json))
        JSONOutput.print(.object(members))
      } else {
        OutputStream.standardOutput.write(report.summary + "\n" + profile.table)
      }
    }
  }
}
