/// The pieces of a vocabulary by their ids, and their ids by their bytes.
struct PieceTable {
  /// By id.
  let pieces: ByteStrings
  /// The first piece that is the same as an earlier one; of such, the table finds the earlier.
  private(set) var repeated: Int?
  /// Open addressing: ids, -1 where there is none.
  private var slots: [Int32]

  /// - Parameter pieces: fewer than 2^30.
  init(_ pieces: ByteStrings) {
    self.pieces = pieces
    var capacity = 16
    while capacity < 2 * pieces.count { capacity *= 2 }
    slots = Array(repeating: -1, count: capacity)
    pieces.bytes.withUnsafeBytes { bytes in
      for id in 0..<pieces.count {
        let piece = UnsafeRawBufferPointer(rebasing: bytes[pieces.range(of: id)])
        let slot = self.slot(of: piece, in: bytes)
        if slots[slot] < 0 {
          slots[slot] = Int32(id)
        } else if repeated == nil {
          repeated = id
        }
      }
    }
  }

  var count: Int { pieces.count }

  func id(of piece: UnsafeRawBufferPointer) -> Int? {
    pieces.bytes.withUnsafeBytes { bytes in
      let id = slots[slot(of: piece, in: bytes)]
      return id < 0 ? nil : Int(id)
    }
  }

  func id(of piece: some Collection<UInt8>) -> Int? {
    Array(piece).withUnsafeBytes { id(of: $0) }
  }

  func text(of id: Int) -> String { String(decoding: pieces[id], as: UTF8.self) }

  /// Where a piece stands in the table, or would.
  private func slot(of piece: UnsafeRawBufferPointer, in bytes: UnsafeRawBufferPointer) -> Int {
    var hasher = Hasher()
    hasher.combine(bytes: piece)
    var slot = hasher.finalize() & (slots.count - 1)
    while slots[slot] >= 0 {
      let range = pieces.range(of: Int(slots[slot]))
      if range.count == piece.count,
        piece.elementsEqual(UnsafeRawBufferPointer(rebasing: bytes[range]))
      {
        break
      }
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }
}
