internal import SanaEngine
internal import SanaGraph
internal import Support
internal import WeightFormats

/// Settings with every choice made for one model, checked.
struct CalibrationPlan {
  struct Picture {
    /// Index into the prompts.
    let prompt: Int
    let seed: UInt64
  }

  let settings: CalibrationSettings
  let steps: Int
  let samplerKind: SamplerKind
  let guidanceScale: Float
  let usesGuidance: Bool
  /// In pixels.
  let width: Int
  let height: Int
  /// Of one picture.
  let latents: Shape
  /// Prompt by prompt, seed by seed.
  let pictures: [Picture]

  private static let greatestSide = 8192
  private static let greatestCount = 100_000
  private static let greatestGuidanceScale = 100.0

  /// - Throws: `.invalidArgument` that names the wrong value and a right one.
  init(
    _ settings: CalibrationSettings, _ denoiser: CalibratedModel.Denoiser, compression: Int
  ) throws {
    self.settings = settings
    let transformer = denoiser.configuration
    let standardSide = min(
      transformer.sampleSize * compression,
      max(CalibrationSettings.greatestStandardSide / compression, 1) * compression)
    width = settings.width ?? standardSide
    height = settings.height ?? standardSide
    for (name, side) in [("width", width), ("height", height)] {
      guard compression...Self.greatestSide ~= side, side.isMultiple(of: compression) else {
        throw SanaError(
          .invalidArgument, "a \(name) of \(side) pixels cannot be drawn",
          remedy: "choose a multiple of \(compression) from \(compression) to \(Self.greatestSide)")
      }
    }
    latents = Shape(
      batch: 1, height: height / compression, width: width / compression,
      channels: transformer.inputChannels)
    samplerKind = settings.sampler ?? SamplerKind(denoiser.scheduler)
    steps =
      settings.steps
      ?? min(CalibrationSettings.standardStepCount, samplerKind.standardStepCount)
    _ = try samplerKind.makeSampler(denoiser.scheduler, steps: steps)
    guard settings.guidanceScale.isFinite,
      0...Self.greatestGuidanceScale ~= settings.guidanceScale
    else {
      throw SanaError(
        .invalidArgument, "a guidance scale of \(settings.guidanceScale) makes no picture",
        remedy: "choose one from 0 to \(Int(Self.greatestGuidanceScale)), for instance 4.5")
    }
    guidanceScale = Float(settings.guidanceScale)
    usesGuidance =
      !transformer.embedsGuidance && ClassifierFreeGuidance.isActive(scale: guidanceScale)
    let (count, overflow) = settings.prompts.count.multipliedReportingOverflow(
      by: settings.seeds.count)
    guard !overflow, count <= Self.greatestCount else {
      throw SanaError(
        .invalidArgument,
        "\(settings.prompts.count) prompts with \(settings.seeds.count) seeds are too many pictures",
        remedy: "choose at most \(Self.greatestCount) together")
    }
    pictures = settings.prompts.indices.flatMap { prompt in
      settings.seeds.map { Picture(prompt: prompt, seed: $0) }
    }
  }
}

extension CalibrationSettings {
  private static let rowRange = 1...1_000_000

  /// - Throws: `.invalidArgument` for what no model can be calibrated with.
  func check() throws(SanaError) {
    guard !prompts.isEmpty, !seeds.isEmpty else {
      throw SanaError(
        .invalidArgument, "there is no \(prompts.isEmpty ? "prompt" : "seed") to calibrate with",
        remedy: "name at least one")
    }
    guard Self.rowRange ~= rows else {
      throw SanaError(
        .invalidArgument, "\(rows) rows of each input cannot be kept",
        remedy: "choose \(Self.rowRange.lowerBound) to \(Self.rowRange.upperBound)")
    }
  }
}
