internal import Foundation

/// FLIP's detectors of edges and of points, derivatives of a Gaussian as wide as what an eye sees
/// as a feature.
struct FeatureDetectors {
  /// Degrees.
  private static let featureWidth = 0.082

  private let smoothing: [Float]
  private let edge: [Float]
  private let point: [Float]

  init(pixelsPerDegree: Double) {
    let deviation = 0.5 * Self.featureWidth * pixelsPerDegree
    let radius = Int((3 * deviation).rounded(.up))
    let gaussian = PlaneFilter.gaussian(deviation: deviation, radius: radius)
    let positions = (-radius...radius).map(Double.init)
    smoothing = PlaneFilter.normalized(gaussian)
    edge = Self.balanced(zip(positions, gaussian).map { -$0 * $1 })
    point = Self.balanced(
      zip(positions, gaussian).map { ($0 * $0 / (deviation * deviation) - 1) * $1 })
  }

  /// Positive weights with the sum 1, negative ones with -1.
  private static func balanced(_ filter: [Double]) -> [Float] {
    let positive = filter.reduce(0) { $0 + max($1, 0) }
    let negative = filter.reduce(0) { $0 - min($1, 0) }
    return filter.map { Float($0 < 0 ? $0 / negative : $0 / positive) }
  }

  /// How much of an edge and of a point every pixel is.
  /// - Parameter luminance: Y of YCxCz.
  func strengths(_ luminance: Plane) -> (edges: [Float], points: [Float]) {
    let plane = Plane(
      width: luminance.width, height: luminance.height,
      values: luminance.values.map { ($0 + 16) / 116 })
    func strength(_ filter: [Float]) -> [Float] {
      let horizontal = plane.filtered(rows: filter, columns: smoothing).values
      let vertical = plane.filtered(rows: smoothing, columns: filter).values
      return zip(horizontal, vertical).map { ($0 * $0 + $1 * $1).squareRoot() }
    }
    return (strength(edge), strength(point))
  }
}
