/// Some rows of one image of a batch.
struct ImageRows {
  let image: Int
  let rows: Range<Int>

  /// Their positions, counted through the batch.
  /// - Parameter size: of the batch.
  func positions(_ size: Shape) -> Range<Int> {
    let first = image * size.height
    return (first + rows.lowerBound) * size.width..<(first + rows.upperBound) * size.width
  }

  /// Their tiles of 2x2 positions, counted through the batch. The rows begin and end with a tile.
  func tiles(_ size: Shape) -> Range<Int> {
    let (down, across) = ((size.height + 1) / 2, (size.width + 1) / 2)
    let first = image * down
    func firstTile(_ row: Int) -> Int { (first + (row + 1) / 2) * across }
    return firstTile(rows.lowerBound)..<firstTile(rows.upperBound)
  }
}
