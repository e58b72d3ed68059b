import ArgumentParser
import CommandLineSupport
import SanaEngine
import WeightFormats

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Draw pictures.")

  @Option(help: "What to draw.")
  var prompt: String

  @Option(name: [.short, .long], help: "The PNG file to write.")
  var output: String

  @OptionGroup var arguments: RunArguments

  func run() throws {
    try ToolSession.run { session in
      let run = try arguments.prepare(prompt: prompt, session)
      let pipeline = run.pipeline
      let outputs = OutputNames(output, count: pipeline.settings.pictures.count)
      for path in outputs.paths { try OutputPath.checkWritable(path) }
      for note in pipeline.notes { session.progress.note(note) }
      try pipeline.checkMemory(limit: arguments.device.memoryLimit, session)

      var report = run.report
      try pipeline.run(session, on: run.backend) { index, image in
        let path = outputs.paths[index]
        try PNGFile.write(
          image, to: path,
          texts: pipeline.settings.pictureTexts(
            index, modelPath: arguments.model, device: arguments.device))
        report.outputs.append(path)
      } onStageEnd: { stage, time in
        report.times[stage] = time
      }
      if arguments.json {
        JSONOutput.print(report.json)
      } else {
        OutputStream.standardOutput.write(report.summary)
      }
    }
  }
}

/// The names of a run's pictures: the one given, or `name-1.png`, `name-2.png`, ...
struct OutputNames {
  let paths: [String]

  init(_ path: String, count: Int) {
    guard count > 1 else {
      paths = [path]
      return
    }
    let isPNG = path.lowercased().hasSuffix(".png")
    let stem = isPNG ? String(path.dropLast(4)) : path
    let ending = isPNG ? path.suffix(4) : ""
    paths = (1...count).map { "\(stem)-\($0)\(ending)" }
  }
}
