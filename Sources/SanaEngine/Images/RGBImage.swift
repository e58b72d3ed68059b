public import SanaGraph
internal import WeightFormats

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

  /// Converts what the autoencoder decodes, as diffusers' `VaeImageProcessor.postprocess` does:
  /// `round(clamp(x / 2 + 1 / 2, 0, 1) * 255)`, halves to even.
  ///
  /// - Parameters:
  ///   - tensor: shape `[batch, height, width, 3]`, values about -1 ... 1.
  ///   - element: which element of the batch.
  /// - Throws: `.numericalFailure` for a NaN, which no clamping makes a color.
  public init(decoded tensor: HostTensor, element: Int) throws {
    let shape = tensor.shape
    precondition(shape.channels == 3 && (0..<shape.batch).contains(element))
    let count = shape.positions * 3
    self.init(
      width: shape.width, height: shape.height,
      pixels: try Self.levels(tensor.values[element * count..<(element + 1) * count]))
  }

  /// The same, scaled and cropped to another size as `HostTensor.resizedAndCropped` does, some rows
  /// at a time.
  ///
  /// - Parameter betweenRows: called every now and then; a throw ends the work.
  public init(
    decoded tensor: HostTensor, element: Int, height: Int, width: Int,
    betweenRows: () throws -> Void
  ) throws {
    precondition(tensor.shape.channels == 3 && (0..<tensor.shape.batch).contains(element))
    let resize = CoveringResize(from: tensor.shape, height: height, width: width)
    var pixels: [UInt8] = []
    pixels.reserveCapacity(height * width * 3)
    for first in stride(from: 0, to: height, by: Self.rowsOfBand) {
      try betweenRows()
      let rows = first..<min(first + Self.rowsOfBand, height)
      pixels += try Self.levels(resize.apply(to: tensor, element: element, rows: rows))
    }
    self.init(width: width, height: height, pixels: pixels)
  }

  private static let rowsOfBand = 64

  private static func levels(_ values: ArraySlice<Float>) throws -> [UInt8] {
    try values.map { value in
      guard !value.isNaN else {
        throw SanaError(
          .numericalFailure, "the decoded picture holds NaN",
          remedy: "convert the model again from the official checkpoint")
      }
      let level = min(max(value * 0.5 + 0.5, 0), 1) * 255
      return UInt8(level.rounded(.toNearestOrEven))
    }
  }

  /// The input of the autoencoder's encoder, `pixel / 255 * 2 - 1`: shape `[1, height, width, 3]`.
  public var encoderInput: HostTensor {
    HostTensor(
      Shape(batch: 1, height: height, width: width, channels: 3),
      pixels.map { Float($0) / 255 * 2 - 1 })
  }
}
