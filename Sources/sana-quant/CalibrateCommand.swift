import ArgumentParser
import Calibration
import CommandLineSupport
import EngineArguments
import SanaEngine
import SanaGraph
import Support
import WeightFormats

struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Gather what a model's weights are multiplied by, for quantizing it.",
    usage:
      "sana-quant calibrate <model.sana> --output <statistics.h5> [--prompts <prompts.txt>] [<options>]",
    discussion: """
      Draws small pictures of the prompts and keeps, of the input of every product, some rows and the maxima and mean \
      squares of all. 'sana-quant quantize --calibration' reads the file. Quantizing without one gathers the same \
      from prompts of its own; prompts like those that the model is used for are better.
      """)

  @Argument(help: "The .sana file that will be quantized.")
  var model: String

  @Option(name: .shortAndLong, help: "The HDF5 file to write.")
  var output: String

  @Option(help: "A text file, one prompt a line. (default: prompts of different kinds)")
  var prompts: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Every prompt is drawn with each.", valueName: "seed,..."))
  var seeds = SeedList([0])

  @Option(
    parsing: .unconditional, help: "Denoising steps of a picture. (default: 4, Sprint models 2)")
  var steps: Int?

  @Option(
    parsing: .unconditional,
    help: "Pixels, a multiple of 32. (default: the model's, at most 512)")
  var width: Int?

  @Option(parsing: .unconditional, help: "As --width.")
  var height: Int?

  @Option(
    name: .customLong("guidance"), parsing: .unconditional,
    help: "How closely to follow the prompts, 0 to 100.")
  var guidanceScale: Double = 4.5

  @Option(parsing: .unconditional, help: "Rows of each product's input to keep at most.")
  var rows: Int = CalibrationSettings.standardRowCount

  @OptionGroup var device: DeviceArguments

  @Flag(help: "Print one JSON object on standard output.")
  var json = false

  func run() throws {
    try ToolSession.run { session in
      _ = try OutputFile(
        output, .statistics, reading: InputFiles([model] + (prompts.map { [$0] } ?? [])))
      try CalibrationFile.checkMayReplace(output)
      let file = try ModelFile(path: model)
      let calibrator = try Calibrator(
        file, settings: try settings(), backend: device.makeBackend(session),
        budget: MemoryBudget(
          limit: device.resolvedMemoryLimit()?.bytes, programBytes: ProcessMemory.programBytes),
        context: RunContext(
          cancellation: session.cancellation, onProgress: { session.progress.tick() }))
      let clock = ContinuousClock()
      let time = try clock.measure {
        try calibrator.gather(
          to: output, tool: "sana-quant \(Toolchain.version)", onProgress: session.show)
      }
      session.progress.end()
      let statistics = try CalibrationFile(path: output)
      if json {
        try JSONOutput.print(statistics.json(time))
      } else {
        try OutputStream.standardOutput.writeLine(
          "\(statistics.productCount) products, \(ByteSize(statistics.byteCount)), \(time.readable)"
        )
      }
    }
  }

  private func settings() throws -> CalibrationSettings {
    CalibrationSettings(
      prompts: try prompts.map { try PromptFile(path: $0).prompts } ?? BuiltInCalibration.prompts,
      seeds: seeds.values, steps: steps, width: width, height: height,
      guidanceScale: guidanceScale, rows: rows)
  }
}

extension ToolSession {
  /// Shows how far the gathering of statistics is.
  func show(_ stage: PipelineStage, done: Int, total: Int) {
    if done == 0 {
      progress.begin("calibrate: \(stage.rawValue)", total: total)
    } else {
      progress.update(done)
    }
  }
}

extension CalibrationFile {
  fileprivate func json(_ time: Duration) -> MetadataValue {
    .object(
      [
        .init("output", .string(path)),
        .init("products", .integer(Int64(productCount))),
        .init("bytes", .integer(Int64(byteCount))),
        .init("seconds", .number(time.seconds)),
        .init("tool", .string(tool)),
      ] + (settings.members ?? []))
  }
}
