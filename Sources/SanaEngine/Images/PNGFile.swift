internal import CPNG
internal import SanaGraph
public import WeightFormats

/// Pictures as PNG files.
public enum PNGFile {
  /// Pictures with more pixels than this are not read.
  private static let maximumPixelCount: UInt64 = 1 << 28

  /// Writes a picture; the file appears under its name complete or not at all.
  ///
  /// - Parameters:
  ///   - texts: remarks stored in the file (`iTXt`), for instance the settings that made the
  ///     picture: keywords of 1 to 79 ASCII characters, and any text without NUL.
  ///   - cancellation: looked at between rows.
  /// - Throws: `.fileAccess`, `.cancelled`.
  public static func write(
    _ image: RGBImage, to path: String, texts: [(keyword: String, text: String)] = [],
    cancellation: CancellationToken? = nil
  ) throws {
    try ReplacementFile.write(
      try encode(image, texts: texts, cancellation: cancellation), to: path)
  }

  /// Reads a PNG file of any kind as RGB; transparency is dropped.
  /// - Throws: `.fileAccess`, or `.malformedFile` when it is no PNG file, a damaged or an enormous one.
  public static func read(_ path: String) throws -> RGBImage {
    let file = try MappedFile(path: path)
    return try decode(file.bytes, location: path)
  }

  package static func encode(
    _ image: RGBImage, texts: [(keyword: String, text: String)],
    cancellation: CancellationToken? = nil
  ) throws -> [UInt8] {
    guard let width = UInt32(exactly: image.width), let height = UInt32(exactly: image.height)
    else { throw tooLarge(location: nil) }
    // NUL-terminated copies, one after the other, that live as long as the call below.
    var characters: [CChar] = []
    let starts = texts.map { entry in
      let keywordStart = characters.count
      characters += entry.keyword.utf8CString
      let textStart = characters.count
      characters += entry.text.utf8CString
      return (keyword: keywordStart, text: textStart)
    }
    var bytes: UnsafeMutablePointer<UInt8>?
    var count = 0
    let stop = cancellation.map {
      UnsafeRawPointer($0.raisedFlag).assumingMemoryBound(to: Bool.self)
    }
    let status = characters.withUnsafeBufferPointer { buffer in
      let entries = starts.compactMap { start in
        buffer.baseAddress.map {
          sana_png_text(keyword: $0 + start.keyword, text: $0 + start.text)
        }
      }
      return sana_png_encode(
        image.pixels, width, height, entries, entries.count, stop, &bytes, &count)
    }
    defer { sana_png_free(bytes) }
    try cancellation?.check()
    guard status == SANA_PNG_OK, let bytes else {
      throw SanaError(
        .invalidArgument, "the picture cannot be written as PNG",
        remedy: "choose a smaller picture")
    }
    return Array(UnsafeBufferPointer(start: bytes, count: count))
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
