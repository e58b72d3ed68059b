public import ArgumentParser
import CommandLineSupport
public import SanaEngine
import WeightFormats

extension SamplerKind: ExpressibleByArgument {}
extension ComputePrecision: ExpressibleByArgument {}

extension DeviceSelection: ExpressibleByArgument {
  public init?(argument: String) { self.init(name: argument) }
  public var defaultValueDescription: String { "auto" }
}

/// Where a model runs.
struct DeviceArguments: ParsableArguments {
  @Option(help: "auto: products as the stored weights ask for; f32: all in floating point.")
  var precision: ComputePrecision = .auto

  @Option(help: "auto, cpu or vulkan[:INDEX].")
  var device: DeviceSelection = .automatic

  @Option(parsing: .unconditional, help: "CPU threads. (default: one a core)")
  var threads: Int?

  @Option(
    help: "The most memory that weights and activations may take, e.g. 4GiB. (default: none)")
  var memoryLimit: ByteSize?

  func makeBackend(_ session: ToolSession) throws -> any Backend {
    if let threads, !(1...1024).contains(threads) {
      throw SanaError(
        .invalidArgument, "\(threads) threads cannot be started", remedy: "choose 1 to 1024")
    }
    return try device.makeBackend(
      precision: precision, threads: threads, cancellation: session.cancellation)
  }
}

/// What is drawn, but for the prompt.
struct PictureArguments: ParsableArguments {
  @Option(help: "What the picture shall not show.")
  var negativePrompt: String?

  @Option(parsing: .unconditional, help: "Pixels, a multiple of 32. (default: the model's)")
  var width: Int?

  @Option(parsing: .unconditional, help: "Pixels, a multiple of 32. (default: the model's)")
  var height: Int?

  @Option(parsing: .unconditional, help: "Denoising steps. (default: 20, Sprint models 2)")
  var steps: Int?

  @Option(
    name: [.customLong("guidance")], parsing: .unconditional,
    help: "How closely to follow the prompt; 1 and less: without guidance.")
  var guidanceScale: Double = 4.5

  @Option(
    parsing: .unconditional,
    help: "Of PyTorch's random generator: the same seed draws the same picture as diffusers.")
  var seed: UInt64 = 0

  @Option(
    parsing: .unconditional,
    help: "Pictures to draw, with the seeds SEED, SEED + 1, ...; numbered files if more than 1.")
  var count: Int = 1

  @Option(help: "How the noise is taken away. (default: the model's)")
  var scheduler: SamplerKind?

  @Option(help: "Text before the prompt: default, none or a file's name.")
  var instruction: String = "default"

  @Flag(
    name: .customLong("no-binning"),
    help: "Draw at exactly this size, not at the trained size nearest in shape.")
  var drawsExactSize = false

  func request(prompts: [String]) throws -> GenerationRequest {
    GenerationRequest(
      prompts: prompts, negativePrompt: negativePrompt, width: width, height: height, steps: steps,
      guidanceScale: guidanceScale, seed: seed, count: count, sampler: scheduler,
      instruction: try promptInstruction(), usesResolutionBinning: !drawsExactSize)
  }

  private func promptInstruction() throws -> PromptInstruction {
    switch instruction {
    case "default": return .standard
    case "none": return .none
    default:
      let file = try MappedFile(path: instruction)
      guard file.byteCount <= 1 << 20,
        let contents = String(validating: file.bytes, as: UTF8.self)
      else {
        throw SanaError(
          .invalidArgument, "is no UTF-8 text of at most 1 MiB",
          remedy: "name a text file after --instruction", location: instruction)
      }
      return PromptInstruction(contents: contents)
    }
  }
}
