internal import SanaGraph

/// Some rows of one image of a batch.
struct ImageRows {
  let image: Int
  let rows: Range<Int>

  /// The rows themselves, counted through the batch.
  /// - Parameter size: of the batch.
  func inBatch(_ size: Shape) -> Range<Int> {
    let first = image * size.height
    return first + rows.lowerBound..<first + rows.upperBound
  }

  /// Their positions, counted through the batch.
  /// - Parameter size: of the batch.
  func positions(_ size: Shape) -> Range<Int> {
    let first = image * size.height
    return (first + rows.lowerBound) * size.width..<(first + rows.upperBound) * size.width
  }

  /// Their tiles of `side` x `side` positions, counted through the batch. The rows begin and end with a tile.
  func tiles(_ size: Shape, side: Int) -> Range<Int> {
    let (down, across) = ((size.height + side - 1) / side, (size.width + side - 1) / side)
    let first = image * down
    func firstTile(_ row: Int) -> Int { (first + (row + side - 1) / side) * across }
    return firstTile(rows.lowerBound)..<firstTile(rows.upperBound)
  }

  /// The tiles of all images of a batch.
  static func tiles(ofAll size: Shape, side: Int) -> Range<Int> {
    0..<size.batch * ((size.height + side - 1) / side) * ((size.width + side - 1) / side)
  }
}
