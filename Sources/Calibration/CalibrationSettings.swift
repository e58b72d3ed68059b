public import SanaEngine

/// What is drawn while statistics are gathered. What is left out is chosen for the model.
public struct CalibrationSettings: Hashable, Sendable {
  /// At least one.
  public var prompts: [String]
  /// Every prompt is drawn with each; at least one.
  public var seeds: [UInt64]
  /// Steps of every picture: 4, for Sprint models 2, unless given.
  public var steps: Int?
  /// In pixels: the model's own size, but no more than `greatestStandardSide`, unless given.
  public var width: Int?
  public var height: Int?
  public var guidanceScale: Double
  /// The checkpoint's own unless given.
  public var sampler: SamplerKind?
  /// Rows of each product's input that are kept at most.
  public var rows: Int

  /// Statistics need rows, not pictures: small ones have enough of them.
  public static let greatestStandardSide = 512
  public static let standardStepCount = 4
  public static let standardRowCount = 1024

  public init(
    prompts: [String], seeds: [UInt64] = [0], steps: Int? = nil, width: Int? = nil,
    height: Int? = nil, guidanceScale: Double = 4.5, sampler: SamplerKind? = nil,
    rows: Int = CalibrationSettings.standardRowCount
  ) {
    self.prompts = prompts
    self.seeds = seeds
    self.steps = steps
    self.width = width
    self.height = height
    self.guidanceScale = guidanceScale
    self.sampler = sampler
    self.rows = rows
  }
}
