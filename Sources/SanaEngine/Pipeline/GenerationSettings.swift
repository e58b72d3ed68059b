internal import SanaGraph
internal import SanaModels
internal import Support

/// A request with every choice made for one model, checked.
public struct GenerationSettings: Sendable {
  /// One picture to draw.
  public struct Picture: Hashable, Sendable {
    /// Index into `prompts`.
    public let prompt: Int
    public let seed: UInt64
  }

  public let prompts: [String]
  public let negativePrompt: String
  public let instruction: PromptInstruction
  /// Tokens of a prompt's caption at most.
  public let captionLength: Int
  /// Size of the picture.
  public let width: Int
  public let height: Int
  /// Size at which it is drawn before it is scaled to `width` and `height`.
  public let drawnWidth: Int
  public let drawnHeight: Int
  public let steps: Int
  public let guidanceScale: Float
  /// Whether every step evaluates the negative prompt too.
  public let usesGuidance: Bool
  public let samplerKind: SamplerKind
  /// Prompt by prompt, seed by seed.
  public let pictures: [Picture]

  /// Pictures with a longer side are refused: far beyond any model, and no machine has the memory.
  public static let largestSide = 16384
  public static let largestGuidanceScale = 100.0
  /// Pictures of each prompt.
  public static let countRange = 1...10_000

  /// - Throws: `.invalidArgument` that names the wrong value and a right one.
  public init(_ request: GenerationRequest, for model: PipelineModel) throws {
    let transformer = model.transformer
    let compression = model.autoencoder.compression
    let standardSide = transformer.sampleSize * compression
    let width = request.width ?? standardSide
    let height = request.height ?? standardSide
    let hasTrainedSizes = ResolutionBins.exist(sampleSize: transformer.sampleSize)
    let isBinned = hasTrainedSizes && request.usesResolutionBinning
    for (name, side) in [("width", width), ("height", height)] {
      try Self.checkSide(
        name, side, multipleOf: isBinned ? 1 : compression, hasTrainedSizes: hasTrainedSizes)
    }
    guard request.guidanceScale.isFinite,
      0...Self.largestGuidanceScale ~= request.guidanceScale
    else {
      throw SanaError(
        .invalidArgument, "a guidance scale of \(request.guidanceScale) makes no picture",
        remedy: "choose one from 0 to \(Int(Self.largestGuidanceScale)), for instance 4.5")
    }
    guard Self.countRange ~= request.count else {
      throw SanaError(
        .invalidArgument, "\(request.count) pictures cannot be drawn",
        remedy: "choose 1 to \(Self.countRange.upperBound)")
    }
    guard !(transformer.embedsGuidance && request.negativePrompt != nil) else {
      throw SanaError(
        .invalidArgument, "a Sprint model takes no negative prompt",
        remedy: "leave the negative prompt out")
    }
    samplerKind = request.sampler ?? SamplerKind(model.scheduler)
    steps = request.steps ?? samplerKind.standardStepCount
    _ = try samplerKind.makeSampler(model.scheduler, steps: steps)

    prompts = request.prompts
    negativePrompt = request.negativePrompt ?? ""
    instruction = request.instruction
    captionLength = request.captionLength
    self.width = width
    self.height = height
    let bin =
      isBinned
      ? ResolutionBins.nearest(height: height, width: width, sampleSize: transformer.sampleSize)
      : nil
    drawnWidth = bin?.width ?? width
    drawnHeight = bin?.height ?? height
    guidanceScale = Float(request.guidanceScale)
    usesGuidance =
      !transformer.embedsGuidance && ClassifierFreeGuidance.isActive(scale: guidanceScale)
    pictures = request.prompts.indices.flatMap { prompt in
      (0..<request.count).map { Picture(prompt: prompt, seed: request.seed &+ UInt64($0)) }
    }
  }

  /// - Parameter hasTrainedSizes: whether a picture could be drawn at one of those and scaled.
  private static func checkSide(
    _ name: String, _ side: Int, multipleOf unit: Int, hasTrainedSizes: Bool
  ) throws {
    guard 1...largestSide ~= side else {
      throw SanaError(
        .invalidArgument, "a \(name) of \(side) pixels cannot be drawn",
        remedy: unit == 1
          ? "choose 1 to \(largestSide)"
          : "choose a multiple of \(unit) from \(unit) to \(largestSide)")
    }
    guard side.isMultiple(of: unit) else {
      let nearest = max(unit, (side + unit / 2) / unit * unit)
      let reason =
        hasTrainedSizes
        ? "as it must be without binning"
        : "and the model has no table of trained sizes, from which a picture could be scaled"
      throw SanaError(
        .invalidArgument, "the \(name) \(side) is not a multiple of \(unit), \(reason)",
        remedy: hasTrainedSizes
          ? "choose \(nearest), the nearest one, or leave --no-binning out"
          : "choose \(nearest), the nearest one")
    }
  }
}
