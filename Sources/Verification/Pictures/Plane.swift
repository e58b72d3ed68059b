internal import Foundation
internal import Support

/// One number a pixel, row by row from the top.
struct Plane {
  let width: Int
  let height: Int
  var values: [Float]

  init(width: Int, height: Int, values: [Float]) {
    precondition(values.count == width * height)
    self.width = width
    self.height = height
    self.values = values
  }

  /// The plane convolved with the product of two odd, centered filters, one along rows and one
  /// along columns. Pixels beyond an edge are those of the edge.
  func filtered(rows: [Float], columns: [Float]) -> Plane {
    filtered(alongRows: rows).filtered(alongColumns: columns)
  }

  private func filtered(alongRows taps: [Float]) -> Plane {
    let radius = taps.count / 2
    return filled { source, y, target in
      let row = y * width
      for x in 0..<width { target[x] = 0 }
      for (tap, weight) in taps.enumerated() {
        let shift = tap - radius
        let inner = max(0, min(width, -shift))..<max(0, min(width, width - shift))
        for x in 0..<min(inner.lowerBound, width) { target[x] += weight * source[row] }
        if inner.lowerBound < inner.upperBound {
          for x in inner { target[x] += weight * source[row + x + shift] }
        }
        for x in max(inner.upperBound, inner.lowerBound)..<width {
          target[x] += weight * source[row + width - 1]
        }
      }
    }
  }

  private func filtered(alongColumns taps: [Float]) -> Plane {
    let radius = taps.count / 2
    return filled { source, y, target in
      for x in 0..<width { target[x] = 0 }
      for (tap, weight) in taps.enumerated() {
        let row = min(max(y + tap - radius, 0), height - 1) * width
        for x in 0..<width { target[x] += weight * source[row + x] }
      }
    }
  }

  /// A plane of the same size, row by row on all processors.
  private func filled(
    _ body: (
      _ source: UnsafeBufferPointer<Float>, _ y: Int, _ target: UnsafeMutablePointer<Float>
    ) -> Void
  ) -> Plane {
    let result = [Float](unsafeUninitializedCapacity: values.count) { target, count in
      count = values.count
      guard let start = target.baseAddress else { return }
      values.withUnsafeBufferPointer { source in
        ProcessorLoops().forEach(height) { y, _ in body(source, y, start + y * width) }
      }
    }
    return Plane(width: width, height: height, values: result)
  }
}

/// Filters to convolve planes with.
enum PlaneFilter {
  /// `exp(-x² / (2 deviation²))` at -radius ... radius, in pixels, not normalized.
  static func gaussian(deviation: Double, radius: Int) -> [Double] {
    (-radius...radius).map { exp(-Double($0 * $0) / (2 * deviation * deviation)) }
  }

  /// The filter with the sum 1.
  static func normalized(_ filter: [Double]) -> [Float] {
    let sum = filter.reduce(0, +)
    return filter.map { Float($0 / sum) }
  }
}
