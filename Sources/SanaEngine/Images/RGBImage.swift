public import SanaGraph

/// A picture of 8-bit RGB pixels, row by row from the top.
public struct RGBImage: Hashable, Sendable {
  public let width: Int
  public let height: Int
  /// Three bytes a pixel.
  public let pixels: [UInt8]

  /// - Precondition: there are `3 * width * height` bytes.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0 && pixels.count == 3 * width * height)
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// Converts what the autoencoder decodes, as `PictureRows` does.
  ///
  /// - Parameters:
  ///   - tensor: shape `[batch, height, width, 3]`, values about -1 ... 1.
  ///   - element: which element of the batch.
  /// - Throws: `.numericalFailure` for a NaN, which no clamping makes a color.
  public init(decoded tensor: HostTensor, element: Int) throws {
    let shape = tensor.shape
    precondition(shape.channels == 3 && (0..<shape.batch).contains(element))
    let count = shape.positions * 3
    var rows = PictureRows(
      drawnHeight: shape.height, drawnWidth: shape.width, height: shape.height, width: shape.width)
    var pixels: [UInt8] = []
    pixels.reserveCapacity(count)
    try tensor.values.withUnsafeBufferPointer { values in
      let image = UnsafeBufferPointer(rebasing: values[element * count..<(element + 1) * count])
      try rows.append(rows: 0..<shape.height, image) { pixels += $0 }
    }
    self.init(width: shape.width, height: shape.height, pixels: pixels)
  }

  /// The input of the autoencoder's encoder, `pixel / 255 * 2 - 1`: shape `[1, height, width, 3]`.
  public var encoderInput: HostTensor {
    HostTensor(
      Shape(batch: 1, height: height, width: width, channels: 3),
      pixels.map { Float($0) / 255 * 2 - 1 })
  }
}
