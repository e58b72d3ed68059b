internal import CPNG
internal import SanaGraph
public import Support

/// Pictures as PNG files.
public enum PNGFile {
  /// Pictures with more pixels than this are not read.
  private static let maximumPixelCount: UInt64 = 1 << 28

  /// Writes a picture; the file appears under its name complete or not at all.
  ///
  /// Rows are drawn and compressed one after the other: besides what `picture` holds, a width's
  /// worth of memory is needed (`byteCount(width:)`).
  ///
  /// - Parameters:
  ///   - texts: remarks stored in the file (`iTXt`), for instance the settings that made the
  ///     picture: keywords of 1 to 79 ASCII characters, and any text without NUL.
  ///   - cancellation: looked at between rows.
  /// - Throws: `.fileAccess`, `.cancelled`, `.invalidArgument` for a picture that is too large for
  ///   the format, `.memoryLimit`, and what drawing the rows throws.
  public static func write(
    _ picture: some PictureSource, to path: String, texts: [(keyword: String, text: String)] = [],
    cancellation: CancellationToken? = nil
  ) throws {
    // Begun with the first bytes: until then the rows may take long to make.
    var file: ReplacementFile?
    var offset = 0
    try write(picture, texts: texts, cancellation: cancellation) { bytes in
      let begun = try file ?? ReplacementFile(path: path)
      file = begun
      try begun.write(bytes, at: offset)
      offset += bytes.count
    }
    try file?.commit()
  }

  /// Hands over the bytes of a picture's file in order, as its rows are drawn and compressed.
  ///
  /// - Parameter onBytes: what it is given is valid during the call only.
  /// - Throws: as `write(_:to:texts:cancellation:)`, and what `onBytes` throws.
  public static func write(
    _ picture: some PictureSource, texts: [(keyword: String, text: String)] = [],
    cancellation: CancellationToken? = nil, onBytes: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let writer = try PNGWriter(width: picture.width, height: picture.height, texts: texts)
    try picture.drawRows { row in
      try cancellation?.check()
      try writer.write(row, onBytes: onBytes)
    }
    try cancellation?.check()
    try writer.finish(onBytes: onBytes)
  }

  /// The most bytes that `write` holds of a picture of this width.
  static func byteCount(width: Int) -> Int { PNGWriter.byteCount(width: width) }

  /// Reads a PNG file of any kind as RGB; transparency is dropped.
  /// - Throws: `.fileAccess`, or `.malformedFile` when it is no PNG file, a damaged or an enormous one.
  public static func read(_ path: String) throws -> RGBImage {
    let file = try MappedFile(path: path)
    return try decode(file.bytes, location: path)
  }

  package static func decode(_ bytes: UnsafeRawBufferPointer, location: String?) throws -> RGBImage
  {
    var pixels: UnsafeMutablePointer<UInt8>?
    var width: UInt32 = 0
    var height: UInt32 = 0
    let status = sana_png_decode(
      bytes.assumingMemoryBound(to: UInt8.self).baseAddress, bytes.count, maximumPixelCount,
      &pixels, &width, &height)
    defer { sana_png_free(pixels) }
    guard status != SANA_PNG_TOO_LARGE else { throw tooLarge(location: location) }
    guard status == SANA_PNG_OK, let pixels else {
      throw SanaError(
        .malformedFile, "this is no PNG file, or it is damaged", remedy: "name a PNG file",
        location: location)
    }
    let count = Int(width) * Int(height) * 3
    return RGBImage(
      width: Int(width), height: Int(height),
      pixels: Array(UnsafeBufferPointer(start: pixels, count: count)))
  }

  private static func tooLarge(location: String?) -> SanaError {
    SanaError(
      .malformedFile, "the picture has too many pixels", remedy: "choose a smaller picture",
      location: location)
  }
}
