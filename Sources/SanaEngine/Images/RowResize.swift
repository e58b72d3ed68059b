public import SanaGraph

extension HostTensor {
  /// Scales images so that they cover the wanted size, and cuts the middle out: how the official
  /// pipelines bring a picture of a trained size back to the size that was asked for
  /// (`resize_and_crop_tensor`).
  ///
  /// - Returns: shape `[batch, height, width, channels]`.
  /// - Precondition: both sides are positive.
  public func resizedAndCropped(height: Int, width: Int) -> HostTensor {
    let result = Shape(
      batch: shape.batch, height: height, width: width, channels: shape.channels)
    var resized: [Float] = []
    resized.reserveCapacity(result.elementCount)
    values.withUnsafeBufferPointer { values in
      let count = shape.positions * shape.channels
      for element in 0..<shape.batch {
        var resize = RowResize(
          fromHeight: shape.height, fromWidth: shape.width, toHeight: height, toWidth: width,
          channels: shape.channels)
        let image = UnsafeBufferPointer(
          rebasing: values[element * count..<(element + 1) * count])
        resize.append(rows: 0..<shape.height, image) { resized += $0 }
      }
    }
    return HostTensor(result, resized)
  }
}

/// Scales an image so that it covers a size, and cuts the middle out, while its rows come from the
/// top in bands of any height.
///
/// The scaling is PyTorch's `interpolate(mode="bilinear", align_corners=False)`, without
/// antialiasing. A row of the result lies between two rows of the source that follow each other;
/// each is mixed along its width once, and the two that were mixed last are all that is held.
struct RowResize {
  private let sourceHeight: Int
  private let sourceWidth: Int
  private let channels: Int
  private let rows: [Interpolation]
  private let columns: [Interpolation]
  /// Whether there is nothing to do.
  private let isIdentity: Bool
  /// Rows of the source that have come.
  private var received = 0
  /// Rows of the result that were handed over.
  private var finished = 0
  private var mixed: (MixedRow, MixedRow)
  private var output: [Float]

  /// A row of the source, scaled along its width.
  private struct MixedRow {
    var row = -1
    var values: [Float]
  }

  /// - Precondition: all sides are positive.
  init(fromHeight: Int, fromWidth: Int, toHeight height: Int, toWidth width: Int, channels: Int) {
    precondition(fromHeight > 0 && fromWidth > 0 && height > 0 && width > 0)
    sourceHeight = fromHeight
    sourceWidth = fromWidth
    self.channels = channels
    let ratio = max(Double(height) / Double(fromHeight), Double(width) / Double(fromWidth))
    // The product can fall just short of the whole number that it stands for.
    let scaledHeight = max(height, Int(Double(fromHeight) * ratio))
    let scaledWidth = max(width, Int(Double(fromWidth) * ratio))
    rows = Interpolation.weights(
      from: fromHeight, to: scaledHeight, range: Self.middle(height, of: scaledHeight))
    columns = Interpolation.weights(
      from: fromWidth, to: scaledWidth, range: Self.middle(width, of: scaledWidth))
    isIdentity = height == fromHeight && width == fromWidth
    let row = [Float](repeating: 0, count: isIdentity ? 0 : width * channels)
    mixed = (MixedRow(values: row), MixedRow(values: row))
    output = row
  }

  private static func middle(_ count: Int, of total: Int) -> Range<Int> {
    let start = (total - count) / 2
    return start..<start + count
  }

  /// Bytes that the value holds for results of this width, but for some that grow with the sides
  /// alone.
  static func byteCount(width: Int, channels: Int) -> Int {
    3 * width * channels * MemoryLayout<Float>.size
  }

  /// Takes the next rows of the source.
  /// - Parameters:
  ///   - range: which they are; the first follows the last of the call before.
  ///   - values: `[rows, width, channels]`.
  ///   - onRow: given the rows of the result that can be made now, one by one; what it is given is
  ///     valid during the call only.
  mutating func append<Failure: Error>(
    rows range: Range<Int>, _ values: UnsafeBufferPointer<Float>,
    onRow: (UnsafeBufferPointer<Float>) throws(Failure) -> Void
  ) throws(Failure) {
    let width = sourceWidth * channels
    precondition(range.lowerBound == received && range.upperBound <= sourceHeight)
    precondition(values.count == range.count * width)
    received = range.upperBound
    func source(_ row: Int) -> UnsafeBufferPointer<Float> {
      let start = (row - range.lowerBound) * width
      return UnsafeBufferPointer(rebasing: values[start..<start + width])
    }
    if isIdentity {
      for row in range { try onRow(source(row)) }
      return
    }
    while finished < rows.count {
      let row = rows[finished]
      // What came with an earlier band has been mixed then.
      if range.contains(row.first) { mix(row.first, source(row.first)) }
      guard row.second < received else { return }
      if range.contains(row.second) { mix(row.second, source(row.second)) }
      interpolate(row)
      finished += 1
      try output.withUnsafeBufferPointer { buffer in
        Result { () throws(Failure) in try onRow(buffer) }
      }.get()
    }
  }

  /// Scales a row of the source along its width, in the place of the earlier of the two that are
  /// held.
  private mutating func mix(_ row: Int, _ source: UnsafeBufferPointer<Float>) {
    guard mixed.0.row != row, mixed.1.row != row else { return }
    if mixed.0.row < mixed.1.row {
      mixed.0.row = row
      Self.mix(source, columns, channels, into: &mixed.0.values)
    } else {
      mixed.1.row = row
      Self.mix(source, columns, channels, into: &mixed.1.values)
    }
  }

  private static func mix(
    _ source: UnsafeBufferPointer<Float>, _ columns: [Interpolation], _ channels: Int,
    into values: inout [Float]
  ) {
    values.withUnsafeMutableBufferPointer { values in
      var index = 0
      for column in columns {
        let (first, second) = (column.first * channels, column.second * channels)
        for channel in 0..<channels {
          values[index] = column.mix(source[first + channel], source[second + channel])
          index += 1
        }
      }
    }
  }

  private mutating func interpolate(_ row: Interpolation) {
    let first = mixed.0.row == row.first ? mixed.0.values : mixed.1.values
    let second = mixed.0.row == row.second ? mixed.0.values : mixed.1.values
    for index in output.indices { output[index] = row.mix(first[index], second[index]) }
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
