public import SanaGraph

extension HostTensor {
  /// Scales images so that they cover the wanted size, and cuts the middle out: how the official pipelines bring a picture of a trained
  /// size back to the size that was asked for (`resize_and_crop_tensor`).
  ///
  /// - Returns: shape `[batch, height, width, channels]`, the tensor itself if it has that size.
  /// - Precondition: both sides are positive.
  public func resizedAndCropped(height: Int, width: Int) -> HostTensor {
    guard shape.height != height || shape.width != width else { return self }
    return resized(CoveringResize(from: shape, height: height, width: width))
  }

  /// Scales images to another size, without antialiasing: PyTorch's `interpolate(mode="bilinear", align_corners=False)`.
  public func resized(height: Int, width: Int) -> HostTensor {
    precondition(height > 0 && width > 0)
    return resized(
      CoveringResize(
        rows: Interpolation.weights(from: shape.height, to: height, range: 0..<height),
        columns: Interpolation.weights(from: shape.width, to: width, range: 0..<width)))
  }

  private func resized(_ resize: CoveringResize) -> HostTensor {
    HostTensor(
      Shape(
        batch: shape.batch, height: resize.rows.count, width: resize.columns.count,
        channels: shape.channels),
      (0..<shape.batch).flatMap {
        resize.apply(to: self, element: $0, rows: 0..<resize.rows.count)
      })
  }
}

/// How images are scaled so that they cover a size, and cut to it.
struct CoveringResize {
  fileprivate let rows: [Interpolation]
  fileprivate let columns: [Interpolation]
  /// Whether there is nothing to do.
  private let isIdentity: Bool

  fileprivate init(rows: [Interpolation], columns: [Interpolation]) {
    self.rows = rows
    self.columns = columns
    isIdentity = false
  }

  /// - Precondition: both sides are positive.
  init(from shape: Shape, height: Int, width: Int) {
    precondition(height > 0 && width > 0)
    let ratio = max(
      Double(height) / Double(shape.height), Double(width) / Double(shape.width))
    // The product can fall just short of the whole number that it stands for.
    let scaledHeight = max(height, Int(Double(shape.height) * ratio))
    let scaledWidth = max(width, Int(Double(shape.width) * ratio))
    isIdentity = height == shape.height && width == shape.width
    rows = Interpolation.weights(
      from: shape.height, to: scaledHeight, range: Self.middle(height, of: scaledHeight))
    columns = Interpolation.weights(
      from: shape.width, to: scaledWidth, range: Self.middle(width, of: scaledWidth))
  }

  private static func middle(_ count: Int, of total: Int) -> Range<Int> {
    let start = (total - count) / 2
    return start..<start + count
  }

  /// Some rows of a scaled image, `[rows, width, channels]`.
  func apply(to tensor: HostTensor, element: Int, rows range: Range<Int>) -> ArraySlice<Float> {
    let shape = tensor.shape
    let channels = shape.channels
    let source = tensor.values
    guard !isIdentity else {
      let width = shape.width * channels
      let start = element * shape.height * width
      return source[start + range.lowerBound * width..<start + range.upperBound * width]
    }
    var result: [Float] = []
    result.reserveCapacity(range.count * columns.count * channels)
    for row in rows[range] {
      let first = (element * shape.height + row.first) * shape.width
      let second = (element * shape.height + row.second) * shape.width
      for column in columns {
        for channel in 0..<channels {
          func pixel(_ line: Int, _ position: Int) -> Float {
            source[(line + position) * channels + channel]
          }
          let upper = column.mix(pixel(first, column.first), pixel(first, column.second))
          let lower = column.mix(pixel(second, column.first), pixel(second, column.second))
          result.append(row.mix(upper, lower))
        }
      }
    }
    return result[...]
  }
}

/// Between which two lines of the source one line of the result lies.
private struct Interpolation {
  let first: Int
  let second: Int
  /// Share of the second line.
  let weight: Float

  func mix(_ first: Float, _ second: Float) -> Float { (1 - weight) * first + weight * second }

  /// - Parameter range: which of the `target` lines are wanted.
  static func weights(from source: Int, to target: Int, range: Range<Int>) -> [Interpolation] {
    let scale = Float(source) / Float(target)
    return range.map { line in
      let position = max(0, scale * (Float(line) + 0.5) - 0.5)
      let first = min(Int(position), source - 1)
      return Interpolation(
        first: first, second: min(first + 1, source - 1), weight: position - Float(first))
    }
  }
}
