package import Support

extension SentencePieceModel {
  /// Reads a model's protocol-buffer encoding: field 1 of the model is a piece, whose fields 1 to 3
  /// are its text, score and type; field 2 says how it was trained, field 3 how it normalizes.
  ///
  /// - Throws: `.malformedFile` when the bytes are no such message, or hold no pieces;
  ///   `.unsupported` for models that are not of Gemma's kind: byte-pair encoding without a table
  ///   of normalizations. Such a table is a structure full of offsets, which the library follows
  ///   without looking where they lead.
  package init(_ bytes: [UInt8]) throws(SanaError) {
    var reader = ProtocolBufferReader(bytes: bytes[...])
    var isComplete = false
    var isBytePairEncoding = false
    var listed: Set<ArraySlice<UInt8>> = []
    while let field = try reader.next() {
      guard case .bytes(let message) = field.value else { continue }
      switch field.number {
      case 1: pieces.append(try Self.piece(message))
      case 2:
        isComplete = true
        // The kinds are 1 unigram, 2 byte pairs, 3 words, 4 characters.
        for case .integer(let kind) in try Self.fields(3, of: message) {
          guard kind == 2 else {
            throw Self.unsupported("is of another kind than byte-pair encoding")
          }
          isBytePairEncoding = true
        }
        for case .bytes(let symbol) in try Self.fields(31, of: message) { listed.insert(symbol) }
      case 3, 5:
        for case .bytes(let table) in try Self.fields(2, of: message) where !table.isEmpty {
          throw Self.unsupported("has a table of normalizations")
        }
      default: break
      }
    }
    // How it was trained stands behind the pieces.
    guard !pieces.isEmpty, isComplete else { throw ProtocolBufferReader.malformed }
    guard isBytePairEncoding else {
      throw Self.unsupported("is of another kind than byte-pair encoding")
    }
    for index in pieces.indices where listed.contains(pieces[index].text) {
      pieces[index].isListed = true
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
  ) throws(SanaError) -> [ProtocolBufferReader.FieldValue] {
    var reader = ProtocolBufferReader(bytes: message)
    var values: [ProtocolBufferReader.FieldValue] = []
    while let field = try reader.next() {
      if field.number == number { values.append(field.value) }
    }
    return values
  }

  private static func piece(_ message: ArraySlice<UInt8>) throws(SanaError) -> Piece {
    var reader = ProtocolBufferReader(bytes: message)
    var piece = Piece()
    while let field = try reader.next() {
      switch (field.number, field.value) {
      case (1, .bytes(let text)): piece.text = text
      case (2, .fixed32(let bits)): piece.score = Float(bitPattern: bits)
      case (3, .integer(let code)):
        guard let type = PieceType(rawValue: code) else { throw ProtocolBufferReader.malformed }
        piece.type = type
      default: break
      }
    }
    return piece
  }
}
