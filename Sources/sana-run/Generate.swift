import ArgumentParser
import CommandLineSupport
import SanaEngine
import WeightFormats

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Draw pictures.")

  @Argument(help: "A .sana file with text encoder, transformer and autoencoder.")
  var model: String

  @Option(help: "What to draw.")
  var prompt: String

  @Option(name: [.short, .long], help: "The PNG file to write.")
  var output: String

  @OptionGroup var picture: PictureArguments
  @OptionGroup var device: DeviceArguments

  @Flag(help: "Print one JSON object on standard output.")
  var json = false

  func run() throws {
    try ToolSession.run { session in
      let request = try picture.request(prompts: [prompt])
      let backend = try device.makeBackend(session)
      let pipeline = try Pipeline(
        model: try PipelineModel(path: model), backend: backend, request: request)
      let outputs = OutputNames(output, count: pipeline.settings.pictures.count)
      for path in outputs.paths { try OutputPath.checkWritable(path) }
      for note in pipeline.notes { session.progress.note(note) }
      try pipeline.checkMemory(limit: device.memoryLimit, session)

      var report = RunReport(
        modelPath: model, pipeline: pipeline, backend: backend, device: device)
      try pipeline.run(session, on: backend) { index, image in
        let path = outputs.paths[index]
        try PNGFile.write(
          image, to: path,
          texts: pipeline.settings.pictureTexts(index, modelPath: model, device: device))
        report.outputs.append(path)
      } onStageEnd: { stage, time in
        report.times[stage] = time
      }
      if json {
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
