internal import Support

/// Added tokens of two and more of SentencePiece's spaces (U+2581).
///
/// They are recognized where a text holds that character itself, and merges make them of spaces.
/// SentencePiece can take the longest run at once, or merge; which of the two gives the ids of the
/// merges depends on their ranks.
struct SpaceRuns {
  /// By id, whether the piece is such a token.
  let isRun: [Bool]
  private let document: TokenizerDocument

  /// - Throws: `.unsupported` for other added tokens that spaces could make.
  init(_ document: TokenizerDocument, roles: PieceRoles) throws(SanaError) {
    var isRun = [Bool](repeating: false, count: document.pieces.count)
    let space = Occurrences(of: [Self.space[...]])
    for token in document.addedTokens {
      let text = document.pieces.pieces[token.id]
      guard space.occur(in: text) else { continue }
      guard let length = Self.length(of: text), length > 1, roles.roles[token.id] == .userDefined
      else {
        throw .inexpressibleTokenizer(
          document.location,
          "its added token \(document.quoted(token.id)) holds U+2581, which spaces become")
      }
      isRun[token.id] = true
    }
    self.isRun = isRun
    self.document = document
  }

  /// Whether the merges come to the longest run, then the longest of what remains, and so on,
  /// before anything else is merged.
  ///
  /// They do when a run grows by one space sooner than two spaces become a run, and that sooner
  /// than anything else happens: then the leftmost run grows until it is the longest, and the next
  /// begins.
  /// - Parameter makes: by id, whether a text can come to hold the piece by merging.
  func takeTheLongest(makes: [Bool]) -> Bool {
    var lengths: [Int] = []
    for id in isRun.indices {
      guard let length = Self.length(of: document.pieces.pieces[id]), length > 1 else { continue }
      guard isRun[id] else { return false }
      lengths.append(length)
    }
    guard !lengths.isEmpty, lengths.sorted() == Array(2...lengths.count + 1) else { return false }
    var growth: [Int: Int] = [:]
    for (rank, merge) in document.merges.enumerated() where makes[Int(merge.product)] {
      let text = document.pieces.pieces[Int(merge.product)]
      let left = text.prefix(Int(merge.leftByteCount))
      if isRun[Int(merge.product)] {
        if text.count - left.count == Self.space.count {
          growth[left.count / Self.space.count] = rank
        }
      } else {
        // The first that makes something else; those behind it must not join a run to anything
        // either.
        let right = text.dropFirst(left.count)
        guard growth.count == lengths.count, [left, right].allSatisfy({ !joins($0) }) else {
          return false
        }
      }
    }
    guard let beginning = growth[1], growth.count == lengths.count else { return false }
    return growth.allSatisfy { $0.key == 1 || $0.value < beginning }
  }

  private static let space: [UInt8] = Array("\u{2581}".utf8)

  private func joins(_ part: ArraySlice<UInt8>) -> Bool {
    Self.length(of: part).map { $0 > 1 } ?? false
  }

  /// Of a text of nothing else.
  private static func length(of text: ArraySlice<UInt8>) -> Int? {
    let count = text.count / space.count
    return text.elementsEqual(repeatElement(space, count: count).joined()) ? count : nil
  }
}
