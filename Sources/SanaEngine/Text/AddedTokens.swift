internal import WeightFormats

/// The tokens that are recognized as they stand in a text, before anything else: control, unknown and user-defined pieces.
///
/// Hugging Face's `tokenizers` does the same with the `added_tokens` of a Gemma `tokenizer.json` (leftmost match, the longest of
/// those that begin at the same place), whereas SentencePiece itself never recognizes a control token in a text.
struct AddedTokens: Sendable {
  enum Part {
    case token(Int32)
    /// Never empty.
    case text(ArraySlice<UInt8>)
  }

  private struct Candidate {
    let text: ArraySlice<UInt8>
    let token: Int32
  }

  /// By first byte, the longest first.
  private var candidates: [[Candidate]] = Array(repeating: [], count: 256)

  init(_ vocabulary: SentencePieceModel) {
    for (index, piece) in vocabulary.pieces.enumerated() where piece.isRecognized {
      guard let first = piece.text.first, let token = Int32(exactly: index) else { continue }
      candidates[Int(first)].append(Candidate(text: piece.text, token: token))
    }
    for byte in candidates.indices {
      candidates[byte].sort { $0.text.count > $1.text.count }
    }
  }

  /// Cuts a UTF-8 text into tokens and what lies between them.
  func split(_ text: [UInt8]) -> [Part] {
    var parts: [Part] = []
    var textStart = 0
    var position = 0
    while position < text.count {
      guard let match = match(in: text[position...]) else {
        position += 1
        continue
      }
      if textStart < position { parts.append(.text(text[textStart..<position])) }
      parts.append(.token(match.token))
      position += match.text.count
      textStart = position
    }
    if textStart < text.count { parts.append(.text(text[textStart...])) }
    return parts
  }

  private func match(in text: ArraySlice<UInt8>) -> Candidate? {
    guard let first = text.first else { return nil }
    return candidates[Int(first)].first { text.starts(with: $0.text) }
  }
}
