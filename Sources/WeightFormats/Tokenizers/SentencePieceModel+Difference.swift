extension SentencePieceModel {
  /// The first thing for which another model gives other ids to some text, or `nil` where both give
  /// the same.
  ///
  /// - Parameter name: what the other one is called: `tokenizer.model`.
  func difference(from other: SentencePieceModel, named name: String) -> String? {
    func quoted(_ piece: Piece) -> String {
      "'\(String(decoding: piece.text, as: UTF8.self).abbreviated)'"
    }
    for (id, (ours, theirs)) in zip(pieces, other.pieces).enumerated() {
      guard ours.text == theirs.text else {
        return "token \(id) is \(quoted(ours)), and in \(name) \(quoted(theirs))"
      }
      guard ours.isRecognized == theirs.isRecognized, (ours.type == .byte) == (theirs.type == .byte)
      else { return "token \(id), \(quoted(ours)), is of another kind than in \(name)" }
      guard !ours.isRecognized || (ours.type == .normal) == (theirs.type == .normal) else {
        return "long runs of spaces are split otherwise than by \(name)"
      }
    }
    guard pieces.count == other.pieces.count else {
      return "there are \(pieces.count) tokens, and in \(name) \(other.pieces.count)"
    }
    let order = zip(preference, other.preference).first { $0 != $1 }
    return order.map {
      "\(quoted(pieces[$0.0])) is merged before \(quoted(pieces[$0.1])), unlike in \(name)"
    }
  }

  /// Ids of what merging makes, the best first.
  private var preference: [Int] {
    pieces.indices.filter { id in
      pieces[id].type == .normal && !pieces[id].text.dropFirst().allSatisfy(\.continuesScalar)
    }
    .sorted { (-pieces[$0].score, $0) < (-pieces[$1].score, $1) }
  }
}
