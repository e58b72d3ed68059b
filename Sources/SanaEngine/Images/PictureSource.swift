/// A picture whose rows can be had one after the other, from the top.
///
/// Whoever keeps the picture, or makes it while its rows are asked for, need not hold it whole.
public protocol PictureSource {
  /// Pixels of a row.
  var width: Int { get }
  /// The number of rows.
  var height: Int { get }

  /// Hands over all rows in order: 8-bit RGB, `3 * width` bytes each, which are valid during the
  /// call only.
  /// - Throws: what `onRow` throws, after which no row comes any more, and what making the rows
  ///   does.
  func drawRows(_ onRow: (UnsafeBufferPointer<UInt8>) throws -> Void) throws
}

extension RGBImage: PictureSource {
  public func drawRows(_ onRow: (UnsafeBufferPointer<UInt8>) throws -> Void) throws {
    try pixels.withUnsafeBufferPointer { pixels in
      for start in stride(from: 0, to: pixels.count, by: 3 * width) {
        try onRow(UnsafeBufferPointer(rebasing: pixels[start..<start + 3 * width]))
      }
    }
  }

  /// Collects the rows of any picture.
  /// - Throws: what drawing them throws.
  public init(_ picture: some PictureSource) throws {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(3 * picture.width * picture.height)
    try picture.drawRows { pixels += $0 }
    self.init(width: picture.width, height: picture.height, pixels: pixels)
  }
}
