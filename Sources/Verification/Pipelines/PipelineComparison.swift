public import SanaEngine
public import Traces

/// How far the pictures of one model are from those of another, and where on the way they part.
public struct PipelineComparison: Sendable {
  /// One of the two models.
  public struct Model: Sendable {
    public let path: String
    /// SHA-256 of the file, in hexadecimal digits.
    public let digest: String
    public let byteCount: Int
    /// The recipe or the precision that the file was made with, where it says so.
    public let recipe: String?
    /// What its products were computed in: `f32` or `auto`.
    public let precision: String
  }

  /// A prompt with one seed.
  public struct Sample: Sendable {
    /// Index into `prompts`.
    public let prompt: Int
    public let seed: UInt64
    /// The transformer's first output, before guidance, both models given the reference's captions.
    public var firstPrediction: Comparison
    /// The latents after every step, each model on its own way.
    public var steps: [Comparison]
    /// What the autoencoders are given in the end.
    public var finalLatents: Comparison
    /// The tested model's picture of the reference's latents, beside the reference's.
    public var decoderPicture: PictureDistance
    /// The tested model's own picture, beside the reference's.
    public var picture: PictureDistance
    public var referenceImage: RGBImage
    public var testedImage: RGBImage
  }

  /// The reference with two seeds: how far two pictures are that have nothing in common but the
  /// prompt.
  public struct SeedRuler: Sendable {
    public let prompt: Int
    public let finalLatents: Comparison
    public let picture: PictureDistance
  }

  public let reference: Model
  public let tested: Model
  public let prompts: [String]
  public let settings: GenerationSettings
  /// Of each prompt.
  public internal(set) var captions: [Comparison] = []
  public internal(set) var samples: [Sample] = []
  public internal(set) var seedRulers: [SeedRuler] = []
  /// Network by network, in the order in which they run.
  public internal(set) var operations: [OperationError] = []
  /// What the operations were run on.
  public internal(set) var operationNotes: [String] = []
  /// The worst operations of each network, the most rewarding first.
  public internal(set) var offenders: [Offender] = []
  public internal(set) var gates: [QualityGate] = []

  /// Whether every gate is passed.
  public var passed: Bool { gates.allSatisfy(\.passed) }
}

extension PipelineComparison {
  /// Signal-to-noise ratio of the captions, over prompts.
  public var captionSpread: Spread { Spread(captions.map(\.signalToNoiseDecibels)) }
  /// That of the first noise prediction, over samples.
  public var firstPredictionSpread: Spread {
    Spread(samples.map(\.firstPrediction.signalToNoiseDecibels))
  }
  public var finalLatentSpread: Spread {
    Spread(samples.map(\.finalLatents.signalToNoiseDecibels))
  }

  /// A picture measure over samples.
  public func spread(
    _ measure: KeyPath<PictureDistance, Double>,
    of picture: KeyPath<Sample, PictureDistance> = \.picture, worse: Spread.Worse = .lower
  ) -> Spread {
    Spread(
      samples.map { $0[keyPath: picture][keyPath: measure] }, worse: worse,
      within: PictureDistance.range(of: measure))
  }
}

/// An operation with what keeping its weight in 16 bits would bring.
public struct Offender: Sendable {
  public let operation: OperationError
  /// Decibels that the network's output comes closer to the reference's, the mean over the samples;
  /// nil where the weight cannot be had alone, because it and its neighbours are scaled against
  /// each other.
  public let gainDecibels: Double?
  /// What one evaluation takes longer with the weight in 16 bits, as measured; less than nothing
  /// where it takes less.
  public var addedTime: Duration { operation.referenceTime - operation.testedTime }
}

/// A bound that a comparison is held to.
public struct QualityGate: Hashable, Sendable {
  public enum Measure: String, Hashable, Sendable {
    /// The first noise prediction of every prompt and seed.
    case firstPrediction = "first prediction"
    /// Every picture's PSNR.
    case picture = "picture PSNR"
  }

  public let measure: Measure
  public let minimumDecibels: Double
  /// The worst of all; infinite where all are equal.
  public let worstDecibels: Double

  public var passed: Bool { worstDecibels >= minimumDecibels }
}
