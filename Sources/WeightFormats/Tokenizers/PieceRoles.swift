internal import Support

/// What the pieces of a `tokenizer.json` are for SentencePiece.
struct PieceRoles {
  enum Role: Hashable {
    case ordinary
    /// Stands for one byte of what no piece holds.
    case byte(UInt8)
    case unknown
    case special
    case userDefined
  }

  /// By id.
  let roles: [Role]
  /// By id, whether the piece is recognized as it stands in a text.
  let isAdded: [Bool]

  /// - Throws: `.unsupported` when a byte has no piece.
  init(_ document: TokenizerDocument) throws(SanaError) {
    let pieces = document.pieces
    var roles = [Role](repeating: .ordinary, count: pieces.count)
    var isAdded = [Bool](repeating: false, count: pieces.count)
    for token in document.addedTokens {
      roles[token.id] = token.isSpecial ? .special : .userDefined
      isAdded[token.id] = true
    }
    roles[document.unknownToken] = .unknown
    for byte in UInt8.min...UInt8.max {
      let name = Self.name(of: byte)
      if let id = pieces.id(of: name.utf8) {
        roles[id] = .byte(byte)
      } else if byte < 0x80, let id = pieces.id(of: [byte]), !isAdded[id] {
        // The character has a piece and needs no byte: in Gemma's documents the tab stands in the
        // place of <0x09>.
        roles[id] = .byte(byte)
      } else {
        throw .inexpressibleTokenizer(document.location, "its byte fallback lacks '\(name)'")
      }
    }
    self.roles = roles
    self.isAdded = isAdded
  }

  static func name(of byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return "<0x" + (digits.count == 1 ? "0" : "") + digits + ">"
  }
}
