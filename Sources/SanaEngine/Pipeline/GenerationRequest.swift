internal import SanaGraph
internal import SanaModels

/// What a user wants drawn. What is left out is as in the official pipeline.
public struct GenerationRequest: Sendable {
  /// At least one. An empty prompt draws what comes to the model's mind.
  public var prompts: [String]
  /// Steers away from something; needs guidance, and no network that embeds the guidance (Sprint). `""` unless given.
  public var negativePrompt: String?
  /// In pixels; 32 times the transformer's sample size unless given.
  public var width: Int?
  public var height: Int?
  /// 20, for Sprint 2, unless given.
  public var steps: Int?
  public var guidanceScale: Double
  /// Picture k of a prompt has the seed `seed + k` and a random generator of its own, so each can be drawn again alone.
  public var seed: UInt64
  /// Pictures for each prompt.
  public var count: Int
  /// The checkpoint's own unless given.
  public var sampler: SamplerKind?
  public var instruction: PromptInstruction
  /// Tokens of a prompt's caption: the pipelines' `max_sequence_length`.
  public var captionLength: Int
  /// Draws at the trained size nearest in shape and scales the picture to the size asked for. Models whose sample size has no table
  /// of trained sizes draw at the size asked for.
  public var usesResolutionBinning: Bool

  public init(
    prompts: [String], negativePrompt: String? = nil, width: Int? = nil, height: Int? = nil,
    steps: Int? = nil, guidanceScale: Double = 4.5, seed: UInt64 = 0, count: Int = 1,
    sampler: SamplerKind? = nil, instruction: PromptInstruction = .standard,
    captionLength: Int = PromptPreparation.standardCaptionLength,
    usesResolutionBinning: Bool = true
  ) {
    self.prompts = prompts
    self.negativePrompt = negativePrompt
    self.width = width
    self.height = height
    self.steps = steps
    self.guidanceScale = guidanceScale
    self.seed = seed
    self.count = count
    self.sampler = sampler
    self.instruction = instruction
    self.captionLength = captionLength
    self.usesResolutionBinning = usesResolutionBinning
  }
}
