/// The pieces of a vocabulary by their ids, and their ids by their bytes.
struct PieceTable {
  /// By id.
  let pieces: ByteStrings
  /// The first piece that is the same as an earlier one; of such, the table finds the earlier.
  private(set) var repeated: Int?
  /// Open addressing: the upper half of a piece's hash, and its id plus one; 0 where there is none.
  /// The hash spares most looks at pieces.
  private var slots: [UInt64]

  /// - Parameter pieces: fewer than 2^30.
  init(_ pieces: ByteStrings) {
    self.pieces = pieces
    var capacity = 16
    while capacity < 2 * pieces.count { capacity *= 2 }
    slots = Array(repeating: 0, count: capacity)
    pieces.bytes.withUnsafeBytes { bytes in
      for id in 0..<pieces.count {
        let piece = UnsafeRawBufferPointer(rebasing: bytes[pieces.range(of: id)])
        let hash = Self.hash(of: piece)
        let slot = self.slot(of: piece, hash: hash, in: bytes)
        if slots[slot] == 0 {
          slots[slot] = hash & Self.tag | UInt64(id + 1)
        } else if repeated == nil {
          repeated = id
        }
      }
    }
  }

  var count: Int { pieces.count }

  func id(of piece: UnsafeRawBufferPointer) -> Int? {
    pieces.bytes.withUnsafeBytes { bytes in
      let entry = slots[slot(of: piece, hash: Self.hash(of: piece), in: bytes)]
      return entry == 0 ? nil : Self.id(entry)
    }
  }

  func id(of piece: some Collection<UInt8>) -> Int? {
    Array(piece).withUnsafeBytes { id(of: $0) }
  }

  func text(of id: Int) -> String { String(decoding: pieces[id], as: UTF8.self) }

  private static let tag: UInt64 = 0xFFFF_FFFF_0000_0000

  private static func id(_ entry: UInt64) -> Int { Int(entry & ~tag) - 1 }

  private static func hash(of piece: UnsafeRawBufferPointer) -> UInt64 {
    var hasher = Hasher()
    hasher.combine(bytes: piece)
    return UInt64(bitPattern: Int64(hasher.finalize()))
  }

  /// Where a piece stands in the table, or would.
  private func slot(
    of piece: UnsafeRawBufferPointer, hash: UInt64, in bytes: UnsafeRawBufferPointer
  ) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] != 0 {
      let entry = slots[slot]
      if entry & Self.tag == hash & Self.tag {
        let range = pieces.range(of: Self.id(entry))
        if range.count == piece.count,
          piece.elementsEqual(UnsafeRawBufferPointer(rebasing: bytes[range]))
        {
          break
        }
      }
      slot = (slot + 1) & mask
    }
    return slot
  }
}
