internal import WeightFormats

/// The pieces of a `tokenizer.model`, read from its protocol-buffer encoding (`sentencepiece_model.proto`):
/// field 1 of the model is a piece, whose fields 1 and 3 are its text and its type; field 2 says how it was trained, field 3 how
/// it normalizes.
struct SentencePieceVocabulary {
  enum PieceType: UInt64 {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case unused = 5
    case byte = 6
  }

  struct Piece {
    var text: ArraySlice<UInt8> = []
    var type = PieceType.normal
  }

  /// In the order of their ids.
  private(set) var pieces: [Piece] = []

  /// - Throws: `.malformedFile` when the bytes are no such message, or hold no pieces; `.unsupported` for models that are not of
  ///   Gemma's kind: byte-pair encoding without a table of normalizations. Such a table is a structure full of offsets, which the
  ///   library follows without looking where they lead.
  init(model: [UInt8]) throws {
    var reader = ProtocolBufferReader(bytes: model[...])
    var isBytePairEncoding = false
    while let field = try reader.next() {
      guard case .bytes(let message) = field.value else { continue }
      switch field.number {
      case 1: pieces.append(try Self.piece(message))
      case 2:
        // The kinds are 1 unigram, 2 byte pairs, 3 words, 4 characters.
        for case .integer(let kind) in try Self.fields(3, of: message) {
          guard kind == 2 else {
            throw Self.unsupported("is of another kind than byte-pair encoding")
          }
          isBytePairEncoding = true
        }
      case 3, 5:
        for case .bytes(let table) in try Self.fields(2, of: message) where !table.isEmpty {
          throw Self.unsupported("has a table of normalizations")
        }
      default: break
      }
    }
    guard !pieces.isEmpty else { throw ProtocolBufferReader.malformed }
    guard isBytePairEncoding else {
      throw Self.unsupported("is of another kind than byte-pair encoding")
    }
  }

  private static func unsupported(_ what: String) -> SanaError {
    SanaError(
      .unsupported, "the tokenizer \(what), unlike Gemma's",
      remedy: "download tokenizer/tokenizer.model of the checkpoint again")
  }

  /// Every value of one field of a message.
  private static func fields(
    _ number: UInt64, of message: ArraySlice<UInt8>
  ) throws -> [ProtocolBufferReader.FieldValue] {
    var reader = ProtocolBufferReader(bytes: message)
    var values: [ProtocolBufferReader.FieldValue] = []
    while let field = try reader.next() {
      if field.number == number { values.append(field.value) }
    }
    return values
  }

  private static func piece(_ message: ArraySlice<UInt8>) throws -> Piece {
    var reader = ProtocolBufferReader(bytes: message)
    var piece = Piece()
    while let field = try reader.next() {
      switch (field.number, field.value) {
      case (1, .bytes(let text)): piece.text = text
      case (3, .integer(let code)):
        guard let type = PieceType(rawValue: code) else { throw ProtocolBufferReader.malformed }
        piece.type = type
      default: break
      }
    }
    return piece
  }
}

/// Reads the fields of one protocol-buffer message, one after the other.
private struct ProtocolBufferReader {
  enum FieldValue {
    case integer(UInt64)
    case bytes(ArraySlice<UInt8>)
    /// A fixed-width number, which nothing here needs.
    case fixed
  }

  static var malformed: SanaError {
    SanaError(
      .malformedFile, "the tokenizer is no SentencePiece model",
      remedy: "download tokenizer/tokenizer.model of the checkpoint again")
  }

  private var rest: ArraySlice<UInt8>

  init(bytes: ArraySlice<UInt8>) { rest = bytes }

  /// The next field, or `nil` at the end of the message.
  mutating func next() throws -> (number: UInt64, value: FieldValue)? {
    guard !rest.isEmpty else { return nil }
    let tag = try integer()
    // Readers differ in what they make of a longer tag; no writer makes one.
    guard tag >> 3 > 0, tag <= UInt64(UInt32.max) else { throw Self.malformed }
    let value: FieldValue =
      switch tag & 7 {
      case 0: .integer(try integer())
      case 1: try fixed(byteCount: 8)
      case 2: .bytes(try bytes(count: try integer()))
      case 5: try fixed(byteCount: 4)
      default: throw Self.malformed
      }
    return (tag >> 3, value)
  }

  private mutating func integer() throws -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard let byte = rest.popFirst() else { throw Self.malformed }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
    }
    throw Self.malformed
  }

  private mutating func bytes(count: UInt64) throws -> ArraySlice<UInt8> {
    guard count <= UInt64(rest.count) else { throw Self.malformed }
    defer { rest = rest.dropFirst(Int(count)) }
    return rest.prefix(Int(count))
  }

  private mutating func fixed(byteCount: UInt64) throws -> FieldValue {
    _ = try bytes(count: byteCount)
    return .fixed
  }
}
