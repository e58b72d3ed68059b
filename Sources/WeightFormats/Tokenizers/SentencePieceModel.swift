/// What of a SentencePiece model (`tokenizer.model`, `sentencepiece_model.proto`) decides which ids
/// a text has: byte-pair encoding of Gemma's kind.
package struct SentencePieceModel {
  package enum PieceType: UInt64 {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case unused = 5
    case byte = 6
  }

  package struct Piece {
    package var text: ArraySlice<UInt8> = []
    /// Of two neighbours that can be merged, those whose product has the larger one are.
    var score: Float = 0
    package var type = PieceType.normal
    /// Whether the trainer's specification lists it as a symbol of the user's, whatever its type.
    var isListed = false

    /// Whether it is recognized as it stands in a text, before anything else.
    package var isRecognized: Bool {
      switch type {
      case .control, .unknown, .userDefined: true
      case .normal, .unused, .byte: isListed
      }
    }
  }

  /// In the order of their ids.
  package internal(set) var pieces: [Piece] = []
}
