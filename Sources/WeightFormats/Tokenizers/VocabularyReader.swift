internal import Support

/// Reads the pieces and the added tokens of a `tokenizer.json`.
struct VocabularyReader {
  /// SentencePiece's scores are single-precision numbers, which count no further.
  private static let pieceLimit = 1 << 24
  /// Cutting a piece in two everywhere takes time that grows with its square.
  private static let pieceByteLimit = 256

  private let outline: TokenizerOutline
  private let location: String

  init(_ outline: TokenizerOutline, location: String) {
    self.outline = outline
    self.location = location
  }

  /// - Throws: `.malformedFile`; `.unsupported` for ids that are not 0, 1, 2, ... and tokens that
  ///   SentencePiece would not find.
  func read() throws(SanaError) -> (pieces: PieceTable, addedTokens: [TokenizerDocument.AddedToken])
  {
    var pieces = try vocabulary()
    let table = PieceTable(pieces)
    if let repeated = table.repeated {
      throw unsupported("its piece '\(table.text(of: repeated).abbreviated)' stands there twice")
    }
    let entries = try addedTokens()
    var tokens: [TokenizerDocument.AddedToken] = []
    var known: Set<Int> = []
    for (index, entry) in entries.tokens.enumerated() {
      let name = "'\(String(decoding: entries.contents[index], as: UTF8.self).abbreviated)'"
      if let mark = entry.mark { throw unsupported("its added token \(name) is marked '\(mark)'") }
      let content = entries.contents[index]
      try check(content, called: "added token \(name)")
      // What is not in the vocabulary follows it, whatever its entry says.
      let id = table.id(of: content) ?? pieces.count
      if id == pieces.count { pieces.append(content) }
      guard entry.id == id else {
        throw unsupported("its added token \(name) says to have id \(entry.id), but has \(id)")
      }
      guard known.insert(id).inserted else {
        throw unsupported("its added token \(name) stands there twice")
      }
      tokens.append(.init(id: id, isSpecial: entry.isSpecial, isLate: entry.isLate))
    }
    try checkLateTokens(tokens, pieces)
    guard pieces.count > table.count else { return (table, tokens) }
    let extended = PieceTable(pieces)
    if let repeated = extended.repeated {
      throw unsupported(
        "its added token '\(extended.text(of: repeated).abbreviated)' stands there twice")
    }
    return (extended, tokens)
  }

  /// In the order of their ids.
  private func vocabulary() throws(SanaError) -> ByteStrings {
    var scanner = try outline.scanner(of: .vocabulary)
    var names = ByteStrings()
    var ids: [Int] = []
    try scanner.readObject { scanner throws(SanaError) in
      let start = scanner
      try names.append { bytes throws(SanaError) in try scanner.readName(into: &bytes) }
      ids.append(try scanner.readInteger())
      guard ids.count <= Self.pieceLimit else {
        throw start.failure("there are more than \(Self.pieceLimit) pieces")
      }
    }
    func quoted(_ index: Int) -> String {
      "'\(String(decoding: names[index], as: UTF8.self).abbreviated)'"
    }
    var order = [Int](repeating: -1, count: ids.count)
    for (index, id) in ids.enumerated() {
      guard order.indices.contains(id) else {
        throw unsupported(
          "the ids of its \(ids.count) pieces should be 0 to \(ids.count - 1), and \(quoted(index)) has \(id)"
        )
      }
      guard order[id] < 0 else {
        throw unsupported("its pieces \(quoted(order[id])) and \(quoted(index)) have one id, \(id)")
      }
      order[id] = index
    }
    var pieces = ByteStrings()
    for (id, index) in order.enumerated() {
      try check(names[index], called: "piece with id \(id)")
      pieces.append(names[index])
    }
    return pieces
  }

  private func check(_ text: ArraySlice<UInt8>, called name: String) throws(SanaError) {
    guard !text.isEmpty else { throw unsupported("its \(name) is empty") }
    guard text.count <= Self.pieceByteLimit else {
      throw unsupported("its \(name) is \(text.count) bytes long")
    }
  }

  /// Tokens that are looked for after others are looked for at once with them here, which is the
  /// same where none can overlap another's.
  private func checkLateTokens(
    _ tokens: [TokenizerDocument.AddedToken], _ pieces: ByteStrings
  ) throws(SanaError) {
    let late = tokens.filter(\.isLate).map { pieces[$0.id] }
    guard !late.isEmpty else { return }
    let early = tokens.filter { !$0.isLate }.map { pieces[$0.id] }
    let spaces = Occurrences(of: [[0x20], Array("\u{2581}".utf8)[...]])
    if let token = late.first(where: spaces.occur) ?? Overlaps.first(of: late, with: early) {
      throw unsupported(
        "its added token '\(String(decoding: token, as: UTF8.self).abbreviated)' is marked 'normalized'"
      )
    }
  }

  private struct AddedTokenEntry {
    var id = -1
    var isSpecial = false
    var isLate = false
    /// A way to look for it that SentencePiece does not have.
    var mark: String?
  }

  private func addedTokens() throws(SanaError) -> (
    tokens: [AddedTokenEntry], contents: ByteStrings
  ) {
    var scanner = try outline.scanner(of: .addedTokens)
    var contents = ByteStrings()
    var tokens: [AddedTokenEntry] = []
    try scanner.readArray { scanner throws(SanaError) in
      let start = scanner
      var entry = AddedTokenEntry()
      try scanner.readObject { scanner throws(SanaError) in
        switch try scanner.readName() {
        case "id": entry.id = try scanner.readInteger()
        case "content":
          guard contents.count == tokens.count else {
            throw start.failure("the token has two contents")
          }
          try contents.append { bytes throws(SanaError) in try scanner.readString(into: &bytes) }
        case "normalized": entry.isLate = try scanner.readBool()
        case "special": entry.isSpecial = try scanner.readBool()
        case let mark where ["single_word", "lstrip", "rstrip"].contains(mark):
          if try scanner.readBool() { entry.mark = mark }
        default: try scanner.skipValue()
        }
      }
      guard entry.id >= 0, contents.count == tokens.count + 1 else {
        throw start.failure("an added token has an id and a content")
      }
      tokens.append(entry)
    }
    return (tokens, contents)
  }

  private func unsupported(_ what: String) -> SanaError {
    .inexpressibleTokenizer(location, what)
  }
}
