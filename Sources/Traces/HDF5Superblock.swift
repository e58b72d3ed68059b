internal import Support

/// The beginning of an HDF5 file, as far as it says why a library does not open it ("HDF5 File
/// Format Specification", section II.A).
struct HDF5Superblock {
  let version: UInt8
  /// Bytes of the whole file; nil where the version is unknown.
  let fileByteCount: UInt64?

  private static let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]
  /// The last version that the specification has.
  private static let lastVersion: UInt8 = 3

  /// Finds the superblock: at the file's beginning, or behind somebody else's block of 512 bytes,
  /// 1024, 2048, ...
  init?(_ bytes: UnsafeRawBufferPointer) {
    var start = 0
    while start + 9 <= bytes.count, !bytes[start..<start + 8].elementsEqual(Self.signature) {
      start = max(512, 2 * start)
    }
    guard start + 9 <= bytes.count else { return nil }
    version = bytes[start + 8]
    fileByteCount = Self.endOfFile(UnsafeRawBufferPointer(rebasing: bytes[start...]), version)
  }

  /// Versions 0 and 1 have three addresses, base, free space and end; 2 and 3 base, extension and
  /// end.
  private static func endOfFile(_ block: UnsafeRawBufferPointer, _ version: UInt8) -> UInt64? {
    let places: [UInt8: (width: Int, addresses: Int)] = [
      0: (13, 24), 1: (13, 28), 2: (9, 12), 3: (9, 12),
    ]
    guard let place = places[version], place.width < block.count else { return nil }
    let width = Int(block[place.width])
    let end = place.addresses + 2 * width
    guard 1...8 ~= width, end + width <= block.count else { return nil }
    return block[end..<end + width].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// Why the library did not open a file.
  static func failure(of path: String) -> SanaError {
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch { return error }
    guard let block = HDF5Superblock(file.bytes) else {
      return SanaError(
        .malformedFile, "is no HDF5 file", remedy: "name an HDF5 file of recorded activations",
        location: path)
    }
    guard block.version <= lastVersion else {
      return SanaError(
        .unsupported,
        "is an HDF5 file of version \(block.version), which this computer's HDF5 library does not know",
        remedy: "record the trace again with an older format (h5py: libver='earliest')",
        location: path)
    }
    if let whole = block.fileByteCount, whole > file.byteCount {
      return SanaError(
        .corruptFile, "is cut short: \(file.byteCount) of \(whole) bytes are there",
        remedy: "copy or record the trace again", location: path)
    }
    return SanaError(
      .corruptFile, "is an HDF5 file, but damaged", remedy: "copy or record the trace again",
      location: path)
  }
}
