#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The shapes of the demo's objects.
package enum Form: CaseIterable {
  case circle, square, triangle, star, ring, cross, heart, diamond

  /// Signed distance from the outline, negative inside, for outer radius `r` about the origin; y points down.
  ///
  /// The formulas are those the training pictures were drawn with; star and heart after Inigo Quilez.
  package func distance(_ x: Float, _ y: Float, _ r: Float) -> Float {
    switch self {
    case .circle: hypotf(x, y) - 0.95 * r
    case .square: max(abs(x), abs(y)) - 0.82 * r
    case .triangle: max(0.866025 * abs(x) - 0.5 * (y - 0.2 * r), y - 0.2 * r) - 0.55 * r
    case .star: Self.star(x, y, 1.1 * r)
    case .ring: abs(hypotf(x, y) - 0.72 * r) - 0.24 * r
    case .cross:
      min(
        max(abs(x) - 0.95 * r, abs(y) - 0.31 * r), max(abs(x) - 0.31 * r, abs(y) - 0.95 * r))
    case .heart: Self.heart(x, y, r)
    case .diamond: (1.25 * abs(x) + abs(y) - 1.05 * r) / 1.6
    }
  }

  private static func star(_ x: Float, _ y: Float, _ r: Float) -> Float {
    var (x, y) = (abs(x), -y)
    for (kx, ky) in [(Float(0.809017), Float(-0.58778524)), (-0.809017, -0.58778524)] {
      let d = 2 * max(kx * x + ky * y, 0)
      x -= d * kx
      y -= d * ky
    }
    x = abs(x)
    y -= r
    let (bx, by): (Float, Float) = (0.45 * 0.58778524, 0.45 * 0.809017 - 1)
    let h = min(max((x * bx + y * by) / (bx * bx + by * by), 0), r)
    let side = y * bx - x * by
    return hypotf(x - bx * h, y - by * h) * (side > 0 ? 1 : side < 0 ? -1 : 0)
  }

  private static func heart(_ x: Float, _ y: Float, _ r: Float) -> Float {
    let scale = 1.75 * r
    let (x, y) = (abs(x) / scale, -y / scale + 0.55)
    if x + y > 1 {
      return (hypotf(x - 0.25, y - 0.75) - Float(2).squareRoot() / 4) * scale
    }
    let t = 0.5 * max(x + y, 0)
    let nearest = min(x * x + (y - 1) * (y - 1), (x - t) * (x - t) + (y - t) * (y - t))
    return nearest.squareRoot() * (x > y ? 1 : x < y ? -1 : 0) * scale
  }
}
