internal import Foundation

/// What an eye resolves of a picture: FLIP's filters, one for each channel of opponent colors, made
/// of the contrast sensitivity functions of human vision.
struct ContrastSensitivity {
  /// A part of a filter, `weight * sqrt(π / width) * exp(-π² x² / width)`, x in degrees.
  private struct Part {
    let weight: Double
    let width: Double
  }

  private static let luminance = [Part(weight: 1, width: 0.0047)]
  private static let redGreen = [Part(weight: 1, width: 0.0053)]
  private static let blueYellow = [
    Part(weight: 34.1, width: 0.04), Part(weight: 13.5, width: 0.025),
  ]
  private static let widest = 0.04

  private let pixelsPerDegree: Double
  private let radius: Int

  init(pixelsPerDegree: Double) {
    self.pixelsPerDegree = pixelsPerDegree
    radius = Int(
      (3 * (Self.widest / (2 * .pi * .pi)).squareRoot() * pixelsPerDegree).rounded(.up))
  }

  /// The colors that are seen, pixel by pixel.
  func perceived(_ colors: OpponentColors) -> [PerceivedColor] {
    let y = filtered(colors.luminance, Self.luminance).values
    let cx = filtered(colors.redGreen, Self.redGreen).values
    let cz = filtered(colors.blueYellow, Self.blueYellow).values
    return y.indices.map {
      PerceivedColor(linear: ColorSpace.linear(opponent: SIMD3(y[$0], cx[$0], cz[$0])))
    }
  }

  /// A sum of Gaussians, each a product of one along rows and one along columns.
  private func filtered(_ plane: Plane, _ parts: [Part]) -> Plane {
    let gaussians = parts.map { part in
      (-radius...radius).map { position in
        let x = Double(position) / pixelsPerDegree
        return exp(-.pi * .pi * x * x / part.width)
      }
    }
    let shares = zip(parts, gaussians).map { part, gaussian in
      let sum = gaussian.reduce(0, +)
      return part.weight * (.pi / part.width).squareRoot() * sum * sum
    }
    let total = shares.reduce(0, +)
    var result = Plane(
      width: plane.width, height: plane.height,
      values: [Float](repeating: 0, count: plane.values.count))
    for (gaussian, share) in zip(gaussians, shares) {
      let filter = PlaneFilter.normalized(gaussian)
      let part = plane.filtered(rows: filter, columns: filter).values
      let weight = Float(share / total)
      for index in part.indices { result.values[index] += weight * part[index] }
    }
    return result
  }
}
