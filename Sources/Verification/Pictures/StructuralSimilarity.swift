internal import Foundation
public import SanaEngine

/// Structural similarity (Wang, Bovik, Sheikh, Simoncelli: Image Quality Assessment, 2004): 1 for
/// equal pictures, about 0 for unrelated ones.
///
/// Of luma (BT.601, `0.299 R + 0.587 G + 0.114 B`), in windows of 11x11 pixels weighted by a
/// Gaussian of standard deviation 1.5, the mean over those windows that lie within the picture.
/// `K1` is 0.01, `K2` 0.03, the range 255.
public enum StructuralSimilarity {
  private static let radius = 5
  private static let deviation = 1.5
  private static let stability: (mean: Float, variance: Float) = (
    (0.01 * 255) * (0.01 * 255), (0.03 * 255) * (0.03 * 255)
  )
  /// Taken from levels, so that squares lose little in float32.
  private static let center: Float = 128

  /// - Precondition: the pictures have the same size.
  public static func mean(_ first: RGBImage, _ second: RGBImage) -> Double {
    precondition(first.width == second.width && first.height == second.height)
    let width = first.width
    let (a, b) = (luma(first), luma(second))
    // The windows of a picture that is smaller than one are those of its pixels.
    let margin = min(radius, (min(width, first.height) - 1) / 2)
    let filter = PlaneFilter.normalized(
      PlaneFilter.gaussian(deviation: deviation, radius: radius))
    func local(_ x: [Float], _ y: [Float]? = nil) -> [Float] {
      let values = y.map { y in zip(x, y).map { $0 * $1 } } ?? x
      return Plane(width: width, height: first.height, values: values)
        .filtered(rows: filter, columns: filter).values
    }
    let (meanA, meanB) = (local(a), local(b))
    let (squaresA, squaresB, products) = (local(a, a), local(b, b), local(a, b))
    var sum = 0.0
    for y in margin..<first.height - margin {
      for index in y * width + margin..<(y + 1) * width - margin {
        let (x, y) = (meanA[index], meanB[index])
        let varianceA = squaresA[index] - x * x
        let varianceB = squaresB[index] - y * y
        let covariance = products[index] - x * y
        let (p, q) = (x + center, y + center)
        let means = (2 * p * q + stability.mean) / (p * p + q * q + stability.mean)
        let structure =
          (2 * covariance + stability.variance) / (varianceA + varianceB + stability.variance)
        sum += Double(means * structure)
      }
    }
    return sum / Double((first.height - 2 * margin) * (width - 2 * margin))
  }

  private static func luma(_ image: RGBImage) -> [Float] {
    image.pixels.withUnsafeBufferPointer { pixels in
      (0..<image.width * image.height).map {
        0.299 * Float(pixels[3 * $0]) + 0.587 * Float(pixels[3 * $0 + 1])
          + 0.114 * Float(pixels[3 * $0 + 2]) - center
      }
    }
  }
}
