/// Writes the fields of one protocol-buffer message, one after the other.
struct ProtocolBufferWriter {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ number: UInt64, integer: UInt64) {
    append(tag: number, type: 0)
    append(integer)
  }

  mutating func append(_ number: UInt64, bool: Bool) {
    append(number, integer: bool ? 1 : 0)
  }

  mutating func append(_ number: UInt64, float: Float) {
    append(tag: number, type: 5)
    withUnsafeBytes(of: float.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func append(_ number: UInt64, bytes contents: some Collection<UInt8>) {
    append(tag: number, type: 2)
    append(UInt64(contents.count))
    bytes.append(contentsOf: contents)
  }

  mutating func append(
    _ number: UInt64, message fill: (inout ProtocolBufferWriter) -> Void
  ) {
    var message = ProtocolBufferWriter()
    fill(&message)
    append(number, bytes: message.bytes)
  }

  private mutating func append(tag number: UInt64, type: UInt64) { append(number << 3 | type) }

  private mutating func append(_ integer: UInt64) {
    var rest = integer
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
