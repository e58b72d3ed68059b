internal import Support

/// Reads little-endian fields from bytes that nobody vouches for: every read is checked against the
/// end.
struct ByteReader {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0
  /// Named in errors.
  let path: String

  init(_ bytes: UnsafeRawBufferPointer, path: String) {
    self.bytes = bytes
    self.path = path
  }

  var remaining: Int { bytes.count - position }

  mutating func read<Field: FixedWidthInteger>(_: Field.Type = Field.self) throws(SanaError)
    -> Field
  {
    let size = MemoryLayout<Field>.size
    guard remaining >= size else { throw malformed("the directory ends inside a field") }
    defer { position += size }
    return Field(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Field.self))
  }

  /// A count of things that take at least `minimumByteCount` each, so that no count can promise
  /// more than the bytes hold.
  mutating func readCount(of things: String, minimumByteCount: Int, limit: Int = .max)
    throws(SanaError) -> Int
  {
    let count = Int(try read(UInt32.self))
    guard count <= limit else { throw malformed("more than \(limit) \(things) (\(count))") }
    guard count <= remaining / minimumByteCount else {
      throw malformed("the directory promises \(count) \(things) and ends before them")
    }
    return count
  }

  mutating func readCounted() throws(SanaError) -> UnsafeRawBufferPointer {
    let count = try readCount(of: "bytes", minimumByteCount: 1)
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  mutating func readString() throws(SanaError) -> String {
    guard let string = String(validating: try readCounted(), as: UTF8.self) else {
      throw malformed("a string is not UTF-8")
    }
    return string
  }

  func malformed(_ what: String) -> SanaError { .malformedContainer(path, what) }
}

extension SanaError {
  static func malformedContainer(_ path: String, _ what: String) -> SanaError {
    SanaError(
      .malformedFile, "is not a valid .sana file: \(what)",
      remedy: "convert or download it again", location: path)
  }

  static func corruptContainer(_ path: String, _ what: String) -> SanaError {
    SanaError(
      .corruptFile, "is damaged: \(what)", remedy: "copy, download or convert it again",
      location: path)
  }
}
