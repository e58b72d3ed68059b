internal import CPNG
internal import Support

/// Makes a PNG file of a picture's rows, and hands over its bytes as there are some.
final class PNGWriter {
  private let writer: OpaquePointer
  private let width: Int

  /// As many bytes are handed over at once, or more.
  private static let leastPiece = 64 << 10

  /// - Parameter texts: as `PNGFile.write` takes them.
  /// - Throws: `.invalidArgument` for a picture that is too large for the format, `.memoryLimit`.
  init(width: Int, height: Int, texts: [(keyword: String, text: String)]) throws(SanaError) {
    guard let columns = UInt32(exactly: width), let rows = UInt32(exactly: height) else {
      throw Self.failure(of: SANA_PNG_MALFORMED)
    }
    // NUL-terminated copies, one after the other, that live as long as the call below.
    var characters: [CChar] = []
    let starts = texts.map { entry in
      let keywordStart = characters.count
      characters += entry.keyword.utf8CString
      let textStart = characters.count
      characters += entry.text.utf8CString
      return (keyword: keywordStart, text: textStart)
    }
    var created: OpaquePointer?
    let status = characters.withUnsafeBufferPointer { buffer in
      let entries = starts.compactMap { start in
        buffer.baseAddress.map {
          sana_png_text(keyword: $0 + start.keyword, text: $0 + start.text)
        }
      }
      return sana_png_writer_create(columns, rows, entries, entries.count, &created)
    }
    guard status == SANA_PNG_OK, let created else { throw Self.failure(of: status) }
    writer = created
    self.width = width
  }

  deinit { sana_png_writer_destroy(writer) }

  /// The most bytes that the object holds for a picture of this width.
  static func byteCount(width: Int) -> Int {
    // What deflate keeps: its window, chains of earlier strings, and a block to be encoded.
    let deflate = 288 << 10
    // libpng's: the row before, the row itself, the best of its filtered forms and one to compare
    // that with.
    let rows = 4 * 3 * width
    // A row's bytes and a block that deflate kept back join the piece that is not yet full, in a
    // buffer that doubles as it grows.
    let piece = 2 * (leastPiece + (64 << 10) + 3 * width)
    return deflate + rows + piece
  }

  /// Adds a row.
  /// - Parameters:
  ///   - row: 8-bit RGB, `3 * width` bytes.
  ///   - onBytes: given the file's next bytes, where there are enough; they are valid during the
  ///     call only.
  /// - Throws: `.memoryLimit`, and what `onBytes` throws.
  func write(
    _ row: UnsafeBufferPointer<UInt8>, onBytes: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    precondition(row.count == 3 * width)
    try check(sana_png_writer_write(writer, row.baseAddress, 1))
    try handOver(atLeast: Self.leastPiece, onBytes)
  }

  /// Ends the file, all of whose rows must have been written.
  /// - Throws: as `write`.
  func finish(onBytes: (UnsafeRawBufferPointer) throws -> Void) throws {
    try check(sana_png_writer_finish(writer))
    try handOver(atLeast: 0, onBytes)
  }

  private func handOver(
    atLeast least: Int, _ onBytes: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    var count = 0
    let bytes = sana_png_writer_bytes(writer, &count)
    guard count >= least else { return }
    try onBytes(UnsafeRawBufferPointer(start: bytes, count: count))
    sana_png_writer_discard_bytes(writer)
  }

  private func check(_ status: Int32) throws(SanaError) {
    guard status == SANA_PNG_OK else { throw Self.failure(of: status) }
  }

  private static func failure(of status: some BinaryInteger) -> SanaError {
    guard Int(status) != Int(SANA_PNG_OUT_OF_MEMORY) else {
      return SanaError(
        .memoryLimit, "the system refuses the memory to compress the picture",
        remedy: "raise the limit on memory (ulimit -v), or close other programs")
    }
    return SanaError(
      .invalidArgument, "the picture cannot be written as PNG", remedy: "choose a smaller picture")
  }
}
