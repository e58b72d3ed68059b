internal import Support

/// Reads the fields of one protocol-buffer message, one after the other.
struct ProtocolBufferReader {
  enum FieldValue {
    case integer(UInt64)
    case bytes(ArraySlice<UInt8>)
    case fixed32(UInt32)
    /// A wider number of fixed width, which nothing here needs.
    case fixed64
  }

  static var malformed: SanaError {
    SanaError(
      .malformedFile, "the tokenizer is no SentencePiece model",
      remedy: "download tokenizer/tokenizer.model of the checkpoint again")
  }

  private var rest: ArraySlice<UInt8>

  init(bytes: ArraySlice<UInt8>) { rest = bytes }

  /// The next field, or `nil` at the end of the message.
  mutating func next() throws(SanaError) -> (number: UInt64, value: FieldValue)? {
    guard !rest.isEmpty else { return nil }
    let tag = try integer()
    // Readers differ in what they make of a longer tag; no writer makes one.
    guard tag >> 3 > 0, tag <= UInt64(UInt32.max) else { throw Self.malformed }
    let value: FieldValue
    switch tag & 7 {
    case 0: value = .integer(try integer())
    case 1:
      _ = try bytes(count: 8)
      value = .fixed64
    case 2: value = .bytes(try bytes(count: try integer()))
    case 5:
      value = .fixed32(try bytes(count: 4).reversed().reduce(0) { $0 << 8 | UInt32($1) })
    default: throw Self.malformed
    }
    return (tag >> 3, value)
  }

  private mutating func integer() throws(SanaError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard let byte = rest.popFirst() else { throw Self.malformed }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
    }
    throw Self.malformed
  }

  private mutating func bytes(count: UInt64) throws(SanaError) -> ArraySlice<UInt8> {
    guard count <= UInt64(rest.count) else { throw Self.malformed }
    defer { rest = rest.dropFirst(Int(count)) }
    return rest.prefix(Int(count))
  }
}
