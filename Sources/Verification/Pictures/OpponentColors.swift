internal import Foundation
internal import SanaEngine

/// A picture in YCxCz, the linear form of L*a*b* in which FLIP filters.
struct OpponentColors {
  let luminance: Plane
  let redGreen: Plane
  let blueYellow: Plane

  init(_ image: RGBImage) {
    // There are only 256 levels.
    let levels = (0...255).map { ColorSpace.linear(Float($0) / 255) }
    let count = image.width * image.height
    var values = (0..<3).map { _ in [Float](repeating: 0, count: count) }
    image.pixels.withUnsafeBufferPointer { pixels in
      for pixel in 0..<count {
        let color = ColorSpace.opponent(
          linear: SIMD3(
            levels[Int(pixels[3 * pixel])], levels[Int(pixels[3 * pixel + 1])],
            levels[Int(pixels[3 * pixel + 2])]))
        for channel in 0..<3 { values[channel][pixel] = color[channel] }
      }
    }
    let planes = values.map { Plane(width: image.width, height: image.height, values: $0) }
    (luminance, redGreen, blueYellow) = (planes[0], planes[1], planes[2])
  }
}

/// A color as it is perceived: L*a*b* with the Hunt effect, which takes chroma from dark colors.
struct PerceivedColor {
  let lightness: Float
  let chroma: SIMD2<Float>

  init(linear: SIMD3<Float>) {
    let lab = ColorSpace.lab(linear: linear)
    lightness = lab.x
    chroma = 0.01 * lab.x * SIMD2(lab.y, lab.z)
  }

  /// The HyAB distance.
  func distance(to other: PerceivedColor) -> Float {
    let difference = chroma - other.chroma
    return abs(lightness - other.lightness) + (difference * difference).sum().squareRoot()
  }
}

/// Conversions between sRGB of the D65 white and what FLIP computes in.
enum ColorSpace {
  /// Columns: X, Y and Z of linear red, green and blue (IEC 61966-2-1, to full precision).
  private static let columns = [
    SIMD3<Float>(
      SIMD3<Double>(10_135_552 / 24_577_794, 2_613_072 / 12_288_897, 1_425_312 / 73_733_382)),
    SIMD3<Float>(
      SIMD3<Double>(8_788_810 / 24_577_794, 8_788_810 / 12_288_897, 8_788_810 / 73_733_382)),
    SIMD3<Float>(
      SIMD3<Double>(4_435_075 / 24_577_794, 887_015 / 12_288_897, 70_074_185 / 73_733_382)),
  ]
  private static let white = columns[0] + columns[1] + columns[2]
  private static let inverse = inverted(columns)

  /// The inverse matrix, by cofactors.
  private static func inverted(_ m: [SIMD3<Float>]) -> [SIMD3<Float>] {
    func cross(_ a: SIMD3<Float>, _ b: SIMD3<Float>) -> SIMD3<Float> {
      SIMD3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x)
    }
    let rows = [cross(m[1], m[2]), cross(m[2], m[0]), cross(m[0], m[1])]
    let determinant = (m[0] * rows[0]).sum()
    return (0..<3).map { SIMD3(rows[0][$0], rows[1][$0], rows[2][$0]) / determinant }
  }

  private static func product(_ m: [SIMD3<Float>], _ v: SIMD3<Float>) -> SIMD3<Float> {
    m[0] * v.x + m[1] * v.y + m[2] * v.z
  }

  /// From an sRGB level, 0 to 1.
  static func linear(_ level: Float) -> Float {
    level > 0.04045 ? pow((level + 0.055) / 1.055, 2.4) : level / 12.92
  }

  /// Y, Cx and Cz of a linear color.
  static func opponent(linear color: SIMD3<Float>) -> SIMD3<Float> {
    let relative = product(columns, color) / white
    return SIMD3(
      116 * relative.y - 16, 500 * (relative.x - relative.y), 200 * (relative.y - relative.z))
  }

  /// The linear color of Y, Cx and Cz, within the range that a screen shows.
  static func linear(opponent color: SIMD3<Float>) -> SIMD3<Float> {
    let y = (color.x + 16) / 116
    let relative = SIMD3(y + color.y / 500, y, y - color.z / 200)
    return product(inverse, relative * white).clamped(
      lowerBound: SIMD3(repeating: 0), upperBound: SIMD3(repeating: 1))
  }

  static func lab(linear color: SIMD3<Float>) -> SIMD3<Float> {
    let relative = product(columns, color) / white
    let x = lightnessCurve(relative.x)
    let y = lightnessCurve(relative.y)
    let z = lightnessCurve(relative.z)
    return SIMD3(116 * y - 16, 500 * (x - y), 200 * (y - z))
  }

  private static func lightnessCurve(_ x: Float) -> Float {
    let delta: Float = 6.0 / 29
    return x > delta * delta * delta ? cbrt(x) : x / (3 * delta * delta) + 4.0 / 29
  }
}
