internal import SanaGraph

/// Rows of an image that are in memory while it is gone through from top to bottom.
struct ImageLines {
  private let start: UnsafeMutablePointer<Float>
  private let rowFloats: Int
  /// The rows of the image's predecessors in the batch.
  private let rowsBefore: Int
  private(set) var held = 0..<0

  /// - Parameters:
  ///   - start: memory for the most rows that are held at a time.
  ///   - image: number in the batch.
  ///   - channels: of a position in memory.
  init(at start: UnsafeMutablePointer<Float>, image: Int, of size: Shape, channels: Int? = nil) {
    self.start = start
    rowFloats = size.width * (channels ?? size.channels)
    rowsBefore = image * size.height
  }

  /// Where the first row of the batch would be if all were in memory; rows that are not held must
  /// not be touched.
  var origin: UnsafeMutablePointer<Float> {
    start - (rowsBefore + held.lowerBound) * rowFloats
  }

  /// Moves the rows that stay to the front.
  mutating func hold(_ rows: Range<Int>, _ pool: ThreadPool) {
    let distance = (rows.lowerBound - held.lowerBound) * rowFloats
    let count = max(held.upperBound - rows.lowerBound, 0) * rowFloats
    held = rows
    if count <= distance {
      pool.forEachRange(count, minimum: 1 << 14) {
        (start + $0.lowerBound).update(
          from: start + distance + $0.lowerBound, count: $0.count)
      }
    } else {
      start.update(from: start + distance, count: count)
    }
  }
}
