internal import Foundation
public import SanaEngine

/// The difference that a person sees who alternates between two pictures (FLIP; Andersson, Nilsson,
/// Akenine-Möller, Oskarsson, Åström, Fairchild: FLIP: A Difference Evaluator for Alternating
/// Images, 2020), for pictures of a low dynamic range: 0 for equal pictures, 1 for the largest
/// difference.
public enum FLIP {
  /// Pixels per degree of vision: a 4K monitor, 0.7 m wide, seen from 0.7 m.
  public static let standardPixelsPerDegree = 67.02064

  /// Exponents of the color and the feature pipeline, and how color errors are spread.
  private static let colorExponent: Float = 0.7
  private static let featureExponent: Float = 0.5
  /// The color errors below this share of the largest ...
  private static let smallErrorShare: Float = 0.4
  /// ... take this share of the range.
  private static let smallErrorRange: Float = 0.95

  /// The mean over all pixels.
  /// - Precondition: the pictures have the same size.
  public static func mean(
    _ reference: RGBImage, _ test: RGBImage,
    pixelsPerDegree: Double = FLIP.standardPixelsPerDegree
  ) -> Double {
    let map = map(reference, test, pixelsPerDegree: pixelsPerDegree)
    return map.reduce(0) { $0 + Double($1) } / Double(map.count)
  }

  /// Of every pixel, row by row.
  /// - Precondition: the pictures have the same size.
  public static func map(
    _ reference: RGBImage, _ test: RGBImage,
    pixelsPerDegree: Double = FLIP.standardPixelsPerDegree
  ) -> [Float] {
    precondition(reference.width == test.width && reference.height == test.height)
    let first = OpponentColors(reference)
    let second = OpponentColors(test)
    let sensitivity = ContrastSensitivity(pixelsPerDegree: pixelsPerDegree)
    let firstColors = sensitivity.perceived(first)
    let secondColors = sensitivity.perceived(second)
    let detectors = FeatureDetectors(pixelsPerDegree: pixelsPerDegree)
    let firstFeatures = detectors.strengths(first.luminance)
    let secondFeatures = detectors.strengths(second.luminance)
    let largest = largestColorError
    return (0..<first.luminance.values.count).map { pixel in
      let color = spread(
        pow(firstColors[pixel].distance(to: secondColors[pixel]), colorExponent), largest)
      let edges = abs(firstFeatures.edges[pixel] - secondFeatures.edges[pixel])
      let points = abs(firstFeatures.points[pixel] - secondFeatures.points[pixel])
      let features = pow(max(edges, points) / Float(2).squareRoot(), featureExponent)
      return pow(color, 1 - min(features, 1))
    }
  }

  /// The color error of green beside blue, the largest of the range.
  private static let largestColorError: Float = {
    let green = PerceivedColor(linear: SIMD3(0, 1, 0))
    let blue = PerceivedColor(linear: SIMD3(0, 0, 1))
    return pow(green.distance(to: blue), colorExponent)
  }()

  private static func spread(_ error: Float, _ largest: Float) -> Float {
    let small = smallErrorShare * largest
    guard error >= small else { return smallErrorRange / small * error }
    return smallErrorRange + (error - small) / (largest - small) * (1 - smallErrorRange)
  }
}
