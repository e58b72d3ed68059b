internal import Foundation
public import SanaEngine
internal import Support
internal import Traces

/// How far a picture is from another of the same size.
public struct PictureDistance: Hashable, Sendable {
  /// Peak signal-to-noise ratio in decibels over all bytes,
  /// `10 log10(255² / mean squared difference)`; infinite for equal pictures.
  public let peakSignalToNoiseDecibels: Double
  /// `StructuralSimilarity`: 1 for equal pictures.
  public let structuralSimilarity: Double
  /// Mean of `FLIP`: 0 for equal pictures.
  public let flip: Double
  /// Largest difference of two bytes.
  public let maximumError: Int

  /// What a measure can be.
  static func range(of measure: KeyPath<PictureDistance, Double>) -> ClosedRange<Double> {
    switch measure {
    case \.flip: 0...1
    case \.structuralSimilarity: -1...1
    default: 0 ... .infinity
    }
  }

  /// - Throws: `.tensorMismatch` when the sizes differ.
  public init(reference: RGBImage, result: RGBImage) throws {
    guard reference.width == result.width, reference.height == result.height else {
      throw SanaError(
        .tensorMismatch,
        "a picture of \(result.width) x \(result.height) pixels cannot be compared with one of \(reference.width) x \(reference.height)",
        remedy: "compare pictures of the same size")
    }
    let comparison = try Comparison(reference: reference.pixels, result: result.pixels)
    peakSignalToNoiseDecibels = comparison.peakSignalToNoiseDecibels(peak: 255)
    maximumError = Int(comparison.maximumAbsoluteError)
    let isEqual = maximumError == 0
    structuralSimilarity = isEqual ? 1 : StructuralSimilarity.mean(reference, result)
    flip = isEqual ? 0 : FLIP.mean(reference, result)
  }
}
