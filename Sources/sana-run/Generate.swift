import ArgumentParser
import CommandLineSupport
import SanaEngine
import SanaGraph
import Support

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw pictures.",
    usage: "sana-run [generate] <model.sana> --prompt <text> --output <picture.png> [<options>]")

  @Option(
    name: .customLong("prompt"), parsing: .unconditionalSingleValue,
    help: "What to draw. Given more than once, each is drawn.")
  var prompts: [String]

  @Option(
    name: [.short, .long], parsing: .unconditional,
    help:
      "The PNG file to write; - for standard output, with the report on standard error and without --json."
  )
  var output: String

  @OptionGroup var arguments: RunArguments

  func run() throws {
    try ToolSession.run { session in
      let outputs = try PictureOutputs(
        output, count: arguments.pictureCount(of: prompts), reading: arguments.inputs)
      guard !(outputs.isStandardOutput && arguments.json) else {
        throw SanaError(
          .invalidArgument, "standard output cannot take both the picture and the JSON object",
          remedy: "drop --json, or name a file after --output")
      }
      let run = try arguments.prepare(prompts: prompts, session)
      let pipeline = run.pipeline
      for note in pipeline.notes { session.progress.note(note) }
      try pipeline.checkMemory(session)

      var report = run.report
      do {
        try pipeline.run(session) { index, picture in
          try outputs.write(
            picture, index,
            texts: pipeline.settings.pictureTexts(
              index, modelPath: arguments.model, device: arguments.device),
            cancellation: session.cancellation)
          report.outputs.append(outputs.paths[index])
        } onStageEnd: { stage, time in
          report.times[stage, default: .zero] += time
        }
      } catch let error as SanaError where !report.outputs.isEmpty {
        guard error.code == .cancelled, report.outputs.count == outputs.paths.count else {
          throw error.after(report.outputs, of: pipeline.settings)
        }
        // Asked to stop when there was nothing left to do.
      }
      if arguments.json {
        try JSONOutput.print(report.json)
      } else if outputs.isStandardOutput {
        try OutputStream.standardError.write(report.summary)
      } else {
        try OutputStream.standardOutput.write(report.summary)
      }
    }
  }
}
