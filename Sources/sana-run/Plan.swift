import ArgumentParser
import CommandLineSupport
import SanaEngine

struct Plan: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show how much memory a run will take, without running it.")

  @Argument(help: "A .sana file with text encoder, transformer and autoencoder.")
  var model: String

  @Option(help: "What would be drawn. (default: the longest prompt possible)")
  var prompt: String?

  @Option(name: [.short, .long], help: "Accepted as for a run; nothing is written.")
  var output: String?

  @OptionGroup var picture: PictureArguments
  @OptionGroup var device: DeviceArguments

  @Flag(help: "Print one JSON object on standard output.")
  var json = false

  func run() throws {
    try ToolSession.run { session in
      let prompt = prompt ?? PromptPreparation.longestPrompt
      let backend = try device.makeBackend(session)
      let pipeline = try Pipeline(
        model: try PipelineModel(path: model), backend: backend,
        request: try picture.request(prompts: [prompt]))
      let report = RunReport(
        modelPath: model, pipeline: pipeline, backend: backend, device: device)
      if json {
        JSONOutput.print(report.json)
      } else {
        OutputStream.standardOutput.write(report.summary)
      }
      try pipeline.plan.check(limit: device.memoryLimit?.bytes)
    }
  }
}

extension PromptPreparation {
  /// A prompt that certainly fills the caption: no tokenizer makes less than a token of a word.
  fileprivate static var longestPrompt: String {
    String(repeating: "picture ", count: standardCaptionLength)
  }
}
