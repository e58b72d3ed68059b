internal import Support

/// A pickle's bytes, read one field after the other.
struct PickleBytes {
  private let bytes: UnsafeRawBufferPointer
  private let location: String
  /// Where the next field begins.
  private(set) var position = 0
  /// Where the current instruction is, for errors.
  private(set) var start = 0

  init(_ bytes: UnsafeRawBufferPointer, location: String) {
    self.bytes = bytes
    self.location = location
  }

  var isAtEnd: Bool { position == bytes.count }
  var remainingCount: Int { bytes.count - position }

  mutating func readInstruction() throws(SanaError) -> UInt8 {
    start = position
    return try read(UInt8.self)
  }

  mutating func read<Field: FixedWidthInteger>(_: Field.Type) throws(SanaError) -> Field {
    let size = MemoryLayout<Field>.size
    guard remainingCount >= size else { throw malformed("ends inside an instruction") }
    defer { position += size }
    return Field(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Field.self))
  }

  mutating func readString(_ count: UInt64) throws(SanaError) -> String {
    guard count <= UInt64(remainingCount) else { throw malformed("ends inside a string") }
    let end = position + Int(count)
    guard let string = String(validating: bytes[position..<end], as: UTF8.self) else {
      throw malformed("holds a string that is not UTF-8")
    }
    position = end
    return string
  }

  mutating func skip(_ count: UInt64) throws(SanaError) {
    guard count <= UInt64(remainingCount) else { throw malformed("ends inside a value") }
    position += Int(count)
  }

  /// Text up to the end of its line, which is passed over.
  mutating func readLine() throws(SanaError) -> String {
    guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) else {
      throw malformed("ends inside a line")
    }
    let line = try readString(UInt64(end - position))
    position = end + 1
    return line
  }

  /// A two's complement number; `nil` where it has more than eight bytes.
  mutating func readLong(_ count: UInt64) throws(SanaError) -> Int64? {
    guard count <= 8 else {
      try skip(count)
      return nil
    }
    var value: UInt64 = 0
    for index in 0..<count { value |= UInt64(try read(UInt8.self)) << (8 * index) }
    guard count > 0 else { return 0 }
    let unused = 64 - 8 * count
    return Int64(bitPattern: value << unused) >> Int64(unused)
  }

  func malformed(_ what: String) -> SanaError {
    SanaError(
      .malformedFile, "its pickle \(what) (at byte \(start))", remedy: "download the file again",
      location: location)
  }
}
