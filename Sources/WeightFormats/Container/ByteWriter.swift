/// Collects little-endian fields.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// A count of bytes (u32), then the bytes.
  mutating func append(counted run: some Collection<UInt8>) {
    append(UInt32(run.count))
    bytes.append(contentsOf: run)
  }

  mutating func append(_ string: String) {
    append(counted: string.utf8)
  }

  mutating func append(raw run: [UInt8]) {
    bytes.append(contentsOf: run)
  }
}
