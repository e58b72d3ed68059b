/// The checksum of zip entries: CRC-32 with the reflected polynomial EDB88320 (APPNOTE.TXT 4.4.7),
/// eight bytes a step.
enum CyclicRedundancyCheck {
  /// Table `n` holds the remainders of each byte followed by `n` zero bytes.
  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 8 * 256)
    for byte in 0..<256 {
      var remainder = UInt32(byte)
      for _ in 0..<8 {
        remainder = remainder & 1 == 1 ? 0xEDB8_8320 ^ remainder >> 1 : remainder >> 1
      }
      tables[byte] = remainder
    }
    for index in 256..<tables.count {
      let previous = tables[index - 256]
      tables[index] = previous >> 8 ^ tables[Int(previous & 0xFF)]
    }
    return tables
  }()

  static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    tables.withUnsafeBufferPointer { tables in
      func remainder(_ table: Int, _ byte: UInt64) -> UInt32 {
        tables[table << 8 | Int(byte & 0xFF)]
      }
      var state = ~UInt32(0)
      let blocks = bytes.count / 8
      for block in 0..<blocks {
        let word =
          UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: block * 8, as: UInt64.self))
          ^ UInt64(state)
        let low =
          remainder(7, word) ^ remainder(6, word >> 8) ^ remainder(5, word >> 16)
          ^ remainder(4, word >> 24)
        let high =
          remainder(3, word >> 32) ^ remainder(2, word >> 40) ^ remainder(1, word >> 48)
          ^ remainder(0, word >> 56)
        state = low ^ high
      }
      for byte in bytes[(blocks * 8)...] {
        state = state >> 8 ^ remainder(0, UInt64(state) ^ UInt64(byte))
      }
      return ~state
    }
  }
}
