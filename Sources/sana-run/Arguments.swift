public import ArgumentParser
import CommandLineSupport
import EngineArguments
public import SanaEngine
internal import SanaGraph
import Support

extension SamplerKind: ExpressibleByArgument {}
/// What is drawn, but for the prompt.
struct PictureArguments: ParsableArguments {
  @Option(parsing: .unconditional, help: "What the picture shall not show.")
  var negativePrompt: String?

  @Option(
    parsing: .unconditional,
    help: "Pixels, 1 to 16384; a multiple of 32 with --no-binning. (default: the model's)")
  var width: Int?

  @Option(parsing: .unconditional, help: "As --width. (default: the model's)")
  var height: Int?

  @Option(
    parsing: .unconditional, help: "Denoising steps, 1 to 1000. (default: 20, Sprint models 2)")
  var steps: Int?

  @Option(
    name: [.customLong("guidance")], parsing: .unconditional,
    help: "How closely to follow the prompt, 0 to 100; 1 and less: without guidance.")
  var guidanceScale: Double = 4.5

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Of PyTorch's random generator, 0 to 2^64 - 1: the same seed draws the same picture as diffusers. random or -1: any, which is printed.",
      valueName: "number|random"))
  var seed = Seed(0)

  @Option(
    parsing: .unconditional,
    help:
      "Pictures of each prompt, with the seeds SEED, SEED + 1, ...; numbered files if more than 1.")
  var count: Int = 1

  @Option(help: "How the noise is taken away. (default: the model's)")
  var scheduler: SamplerKind?

  @Option(help: "Text before the prompt: default, none or a file's name.")
  var instruction: String = "default"

  @Option(
    parsing: .unconditional,
    help: "Tokens that a prompt is cut to, the instruction not counted.")
  var maxSequenceLength: Int = PromptPreparation.standardCaptionLength

  @Flag(
    name: .customLong("no-binning"),
    help: "Draw at exactly this size, not at the trained size nearest in shape.")
  var drawsExactSize = false

  func request(prompts: [String]) throws -> GenerationRequest {
    GenerationRequest(
      prompts: prompts, negativePrompt: negativePrompt, width: width, height: height, steps: steps,
      guidanceScale: guidanceScale, seed: seed.value, count: count, sampler: scheduler,
      instruction: try promptInstruction(), captionLength: maxSequenceLength,
      usesResolutionBinning: !drawsExactSize)
  }

  /// The file that holds the instruction, where one is named.
  var instructionPath: String? { ["default", "none"].contains(instruction) ? nil : instruction }

  private func promptInstruction() throws -> PromptInstruction {
    guard let path = instructionPath else { return instruction == "none" ? .none : .standard }
    let file = try MappedFile(path: path)
    guard file.byteCount <= 1 << 20, let contents = String(validating: file.bytes, as: UTF8.self)
    else {
      throw SanaError(
        .invalidArgument, "is no UTF-8 text of at most 1 MiB",
        remedy: "name a text file after --instruction", location: path)
    }
    return PromptInstruction(contents: contents)
  }
}

/// What `generate`, `plan` and `bench` have in common: a model, what is drawn but for the prompt, where, and how it is reported.
struct RunArguments: ParsableArguments {
  @Argument(help: "A .sana file with text encoder, transformer and autoencoder.")
  var model: String

  @OptionGroup var picture: PictureArguments
  @OptionGroup var device: DeviceArguments

  @Flag(help: "Print one JSON object on standard output.")
  var json = false

  /// The files that a run reads.
  var inputs: InputFiles {
    InputFiles([model] + (picture.instructionPath.map { [$0] } ?? []))
  }

  /// How many pictures a run draws.
  func pictureCount(of prompts: [String]) -> Int {
    // What is no count of pictures is refused with the rest of the request.
    GenerationSettings.countRange.contains(picture.count) ? prompts.count * picture.count : 1
  }

  /// Opens the model and plans the run, before anything large is loaded.
  func prepare(prompts: [String], _ session: ToolSession) throws -> PreparedRun {
    let request = try picture.request(prompts: prompts)
    let backend = try device.makeBackend(session)
    let memoryLimit = try device.resolvedMemoryLimit()
    let pipeline = try Pipeline(
      model: try PipelineModel(path: model, sampler: picture.scheduler), backend: backend,
      request: request,
      budget: MemoryBudget(
        limit: memoryLimit?.bytes, programBytes: ProcessMemory.programBytes),
      context: RunContext(cancellation: session.cancellation))
    // Planning looks at many ways to run.
    ProcessMemory.releaseUnused()
    return PreparedRun(
      backend: backend, pipeline: pipeline,
      report: RunReport(
        modelPath: model, pipeline: pipeline, backend: backend, device: device,
        memoryLimit: memoryLimit))
  }
}

/// A run that could begin.
struct PreparedRun {
  let backend: any Backend
  let pipeline: Pipeline
  var report: RunReport
}
