import ArgumentParser
import CommandLineSupport
import EngineArguments
import SanaEngine
import SanaGraph
import Support
import Verification
import WeightFormats

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Draw the same pictures with two variants of a model, and say where they part.",
    usage:
      "sana-quant compare <reference.sana> <variant.sana> --prompts <prompts.txt> [<options>]",
    discussion: """
      Both models draw every prompt from the same noise. Compared are captions, the first noise prediction, the latents \
      after every step, and the pictures: PSNR, SSIM and FLIP, with means, 95 % intervals and the worst. Then each \
      operation is run on the reference's operands, which is its own error, beside the one that it passes on in the \
      running network; the worst are ranked by what keeping them in 16 bits would bring, each with a --rule for \
      'sana-quant quantize'. A reference with the checkpoint's own numbers is computed in f32. \
      The exit status is 1 where a minimum is not reached.
      """)

  @Argument(help: "The .sana file that is held to be right.")
  var reference: String

  @Argument(help: "A variant of the same model.")
  var variant: String

  @Option(name: .customLong("prompts"), help: "A text file with a prompt a line.")
  var promptFile: String?

  @Option(
    name: .customLong("prompt"), parsing: .unconditionalSingleValue,
    help: "A prompt, in place of a file; repeatable.")
  var prompts: [String] = []

  @Option(parsing: .unconditional, help: "Denoising steps. (default: 20, Sprint models 2)")
  var steps: Int?

  @Option(parsing: .unconditional, help: "Of the first picture of each prompt.")
  var seed: UInt64 = 0

  @Option(
    parsing: .unconditional, help: "Pictures of each prompt, with the seeds SEED, SEED + 1, ...")
  var count: Int = 1

  @Option(parsing: .unconditional, help: "Pixels. (default: the model's)")
  var width: Int?

  @Option(parsing: .unconditional, help: "Pixels. (default: the model's)")
  var height: Int?

  @Option(name: .customLong("guidance"), parsing: .unconditional, help: "As of sana-run.")
  var guidanceScale: Double = 4.5

  @Flag(
    name: .customLong("no-binning"),
    help: "Draw at exactly this size, not at the trained size nearest in shape.")
  var drawsExactSize = false

  @Option(
    parsing: .unconditional,
    help: "Prompts whose operations are looked at one by one; 0 for none.")
  var operations: Int = 2

  @Option(
    parsing: .unconditional,
    help: "Operations of each network that are tried in 16 bits, the worst first.")
  var offenders: Int = 6

  @Option(
    name: .customLong("minimum-snr"), parsing: .unconditional,
    help: ArgumentHelp("What every first noise prediction must reach.", valueName: "dB"))
  var minimumRatio: Double?

  @Option(
    name: .customLong("minimum-psnr"), parsing: .unconditional,
    help: ArgumentHelp("What every picture must reach.", valueName: "dB"))
  var minimumPeakRatio: Double?

  @Option(
    help: ArgumentHelp(
      "A page to write, complete in one file, with its numbers beside it as .json and .csv.",
      valueName: "page.html"))
  var report: String?

  @Option(help: ArgumentHelp("A file for every number, one a line.", valueName: "file.csv"))
  var csv: String?

  @OptionGroup var device: DeviceArguments

  @Flag(help: "Print one JSON object on standard output.")
  var json = false

  func validate() throws {
    guard (promptFile == nil) != prompts.isEmpty else {
      throw ValidationError(
        prompts.isEmpty
          ? "name a file of prompts: --prompts <prompts.txt>"
          : "choose one of --prompts and --prompt")
    }
    guard operations >= 0, offenders >= 0 else {
      throw ValidationError("--operations and --offenders are numbers from 0 on")
    }
  }

  func run() throws {
    try ToolSession.run { session in
      let inputs = InputFiles([reference, variant] + (promptFile.map { [$0] } ?? []))
      let outputs = try ReportOutputs(page: report, csv: csv, reading: inputs)
      let request = GenerationRequest(
        prompts: try promptFile.map { try PromptFile(path: $0).prompts } ?? prompts, width: width,
        height: height,
        steps: steps, guidanceScale: guidanceScale, seed: seed, count: count,
        usesResolutionBinning: !drawsExactSize)
      let comparison = try PipelineComparer.compare(
        side(reference, session, isReference: true), side(variant, session, isReference: false),
        request: request, options: try options(),
        context: RunContext(
          cancellation: session.cancellation, onProgress: { session.progress.tick() })
      ) { session.progress.begin($0) }
      session.progress.end()
      try outputs.write(
        page: comparison.page(tool: "sana-quant \(Toolchain.version)"), json: comparison.json,
        csv: comparison.csv)
      if json {
        try JSONOutput.print(comparison.json)
      } else {
        try OutputStream.standardOutput.write(ComparisonTables(comparison).text)
      }
      guard comparison.passed else { throw ExitCode(1) }
    }
  }

  private func side(
    _ path: String, _ session: ToolSession, isReference: Bool
  ) throws -> PipelineComparer.Side {
    let file = try ModelFile(path: path)
    return PipelineComparer.Side(
      model: try PipelineModel(file),
      backend: try device.makeBackend(
        session, auto: isReference && !file.isReduced ? .f32 : .auto))
  }

  private func options() throws -> PipelineComparer.Options {
    var options = PipelineComparer.Options()
    options.operationPrompts = operations
    options.offenders = offenders
    options.minimumSignalToNoise = minimumRatio
    options.minimumPeakSignalToNoise = minimumPeakRatio
    options.memory = MemoryBudget(limit: try device.resolvedMemoryLimit()?.bytes)
    return options
  }
}
