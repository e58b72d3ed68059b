/// The fields of a SentencePiece model's protocol-buffer encoding, without what is in them.
enum SentencePieceOutline {
  /// How many pieces the model has: field 1 of the message, once each.
  /// - Returns: `nil` when the bytes are no such message, or end inside one.
  static func pieceCount(of model: [UInt8]) -> Int? {
    var rest = model[...]
    var pieces = 0
    while !rest.isEmpty {
      guard let tag = integer(&rest), tag >> 3 > 0, let size = size(ofField: tag, &rest),
        size <= rest.count
      else { return nil }
      rest = rest.dropFirst(size)
      if tag >> 3 == 1 {
        guard tag & 7 == 2 else { return nil }
        pieces += 1
      }
    }
    return pieces > 0 ? pieces : nil
  }

  /// Bytes of the field's value that are still to come.
  private static func size(ofField tag: UInt64, _ rest: inout ArraySlice<UInt8>) -> Int? {
    switch tag & 7 {
    case 0: integer(&rest).map { _ in 0 }
    case 1: 8
    case 2: integer(&rest).flatMap { Int(exactly: $0) }
    case 5: 4
    default: nil
    }
  }

  private static func integer(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard let byte = rest.popFirst() else { return nil }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }
}
