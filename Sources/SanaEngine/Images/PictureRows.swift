internal import Support

/// Makes rows of 8-bit RGB of the rows that the autoencoder decodes, as these come from the top in
/// bands of any height.
///
/// A row is made as soon as the last decoded row that it needs has come, and nothing is held but
/// what the next one needs. Levels are those of diffusers' `VaeImageProcessor.postprocess`,
/// `round(clamp(x / 2 + 1 / 2, 0, 1) * 255)`, halves to even.
struct PictureRows {
  private var resize: RowResize
  private var levels: [UInt8]

  /// - Parameters:
  ///   - drawnHeight, drawnWidth: of what is decoded.
  ///   - height, width: of the picture, to which it is scaled and cropped (`RowResize`).
  init(drawnHeight: Int, drawnWidth: Int, height: Int, width: Int) {
    resize = RowResize(
      fromHeight: drawnHeight, fromWidth: drawnWidth, toHeight: height, toWidth: width, channels: 3)
    levels = Array(repeating: 0, count: 3 * width)
  }

  /// Bytes that the value holds for rows of this width.
  static func byteCount(width: Int) -> Int {
    RowResize.byteCount(width: width, channels: 3) + 3 * width
  }

  /// Takes the next decoded rows.
  /// - Parameters:
  ///   - rows: which they are; the first follows the last of the call before.
  ///   - values: `[rows, drawnWidth, 3]`, black at -1, white at 1.
  ///   - onRow: given the rows of the picture that can be made now, `3 * width` bytes each.
  /// - Throws: `.numericalFailure` for a NaN, which no clamping makes a color, and what `onRow`
  ///   throws.
  mutating func append(
    rows: Range<Int>, _ values: UnsafeBufferPointer<Float>,
    onRow: (UnsafeBufferPointer<UInt8>) throws -> Void
  ) throws {
    try resize.append(rows: rows, values) { row in
      try levels.withUnsafeMutableBufferPointer { levels in
        for (index, value) in row.enumerated() { levels[index] = try Self.level(value) }
        try onRow(UnsafeBufferPointer(levels))
      }
    }
  }

  private static func level(_ value: Float) throws -> UInt8 {
    guard !value.isNaN else {
      throw SanaError(
        .numericalFailure, "the decoded picture holds NaN",
        remedy: "convert the model again from the official checkpoint")
    }
    return UInt8((min(max(value * 0.5 + 0.5, 0), 1) * 255).rounded(.toNearestOrEven))
  }
}
