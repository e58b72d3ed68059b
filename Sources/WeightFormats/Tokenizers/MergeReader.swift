internal import Support

/// Reads the merges of a `tokenizer.json`: arrays of two pieces, or in older ones strings of two
/// with a space between them.
struct MergeReader {
  private let outline: TokenizerOutline
  private let pieces: PieceTable
  private let location: String

  init(_ outline: TokenizerOutline, pieces: PieceTable, location: String) {
    self.outline = outline
    self.pieces = pieces
    self.location = location
  }

  /// In the order of their ranks.
  /// - Throws: `.malformedFile`.
  func read() throws(SanaError) -> [TokenizerDocument.Merge] {
    var scanner = try outline.scanner(of: .merges)
    var merges: [TokenizerDocument.Merge] = []
    var text: [UInt8] = []
    try scanner.readArray { scanner throws(SanaError) in
      let start = scanner
      text.removeAll(keepingCapacity: true)
      let cut = try Self.readPair(&scanner, into: &text)
      // A version, as the lists of merges have it that stand in files of their own.
      if cut == nil, text.starts(with: "#version".utf8) { return }
      guard let cut else { throw start.failure("a merge is two pieces") }
      let ids = text.withUnsafeBytes { text in
        [text[...], text[..<cut], text[cut...]].map {
          pieces.id(of: UnsafeRawBufferPointer(rebasing: $0))
        }
      }
      guard let product = ids[0], ids[1] != nil, ids[2] != nil else {
        throw .malformedTokenizer(
          location,
          "its merge of '\(Self.text(text[..<cut]))' and '\(Self.text(text[cut...]))' is not of pieces to a piece"
        )
      }
      merges.append(.init(product: Int32(product), leftByteCount: Int32(cut)))
    }
    return merges
  }

  /// Appends both pieces.
  /// - Returns: where the second begins, or `nil` when there are not two.
  private static func readPair(
    _ scanner: inout JSONScanner, into text: inout [UInt8]
  ) throws(SanaError) -> Int? {
    if scanner.peek() == UInt8(ascii: "[") {
      var ends: [Int] = []
      try scanner.readArray { scanner throws(SanaError) in
        try scanner.readString(into: &text)
        ends.append(text.count)
      }
      return ends.count == 2 ? ends[0] : nil
    }
    try scanner.readString(into: &text)
    guard let space = text.firstIndex(of: 0x20), space == text.lastIndex(of: 0x20) else {
      return nil
    }
    text.remove(at: space)
    return space
  }

  private static func text(_ bytes: ArraySlice<UInt8>) -> String {
    String(decoding: bytes, as: UTF8.self).abbreviated
  }
}
