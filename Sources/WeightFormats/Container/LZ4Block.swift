/// The rules of the LZ4 block format, which libraries check differently: all of them accept a match
/// at distance 0, which is none.
enum LZ4Block {
  /// The last bytes of a block are literals.
  private static let lastLiteralCount = 5
  /// No match begins nearer to the end.
  private static let lastMatchDistance = 12

  /// Whether a block is a sequence of literals and matches that makes exactly so many bytes, every
  /// match begins in what was made before it, and the block ends as the format says.
  static func isWellFormed(_ block: UnsafeRawBufferPointer, rawByteCount: Int) -> Bool {
    var position = 0
    var made = 0
    /// A length whose first four bits are given, or `nil` when the block ends in it.
    func length(_ beginning: UInt8) -> Int? {
      var length = Int(beginning)
      guard beginning == 15 else { return length }
      while position < block.count, length <= rawByteCount {
        let byte = block[position]
        position += 1
        length += Int(byte)
        if byte < 255 { return length }
      }
      return nil
    }
    while position < block.count {
      let token = block[position]
      position += 1
      guard let literals = length(token >> 4), literals <= block.count - position else {
        return false
      }
      position += literals
      made += literals
      if position == block.count { return made == rawByteCount }
      guard made <= rawByteCount - lastMatchDistance, block.count - position >= 2 else {
        return false
      }
      let distance = Int(block[position]) | Int(block[position + 1]) << 8
      position += 2
      guard 1...max(made, 1) ~= distance, made > 0, let match = length(token & 15) else {
        return false
      }
      made += match + 4
      guard made <= rawByteCount - lastLiteralCount else { return false }
    }
    return false
  }
}
