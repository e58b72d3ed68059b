internal import Support

/// The table of contents of a zip archive whose entries are stored as they are, which is how
/// `torch.save` writes one (PKWARE's APPNOTE.TXT, sections 4.3 and 4.4; zip64 included).
///
/// After it is made, every entry lies inside the file and before the table, and no two overlap:
/// nothing can unfold to more than the file holds.
struct ZipArchive: Sendable {
  struct Entry: Hashable, Sendable {
    let name: String
    /// Where the contents are in the file.
    let bytes: Range<Int>
    /// CRC-32 of the contents; 0 where the writer computed none.
    let checksum: UInt32
  }

  static let entryLimit = 1 << 20

  let entries: [String: Entry]

  /// - Throws: `.malformedFile`; `.unsupported` for compressed or encrypted entries and archives in
  ///   several parts.
  init(of file: UnsafeRawBufferPointer, location: String) throws(SanaError) {
    let reader = ZipReader(file: file, location: location)
    let directory = try reader.directory()
    var entries: [String: Entry] = [:]
    var position = directory.bytes.lowerBound
    for _ in 0..<directory.entryCount {
      let record = try reader.record(at: position, limit: directory.bytes.upperBound)
      position = record.end
      let entry = try reader.entry(record, limit: directory.bytes.lowerBound)
      guard entries.updateValue(entry, forKey: entry.name) == nil else {
        throw reader.malformed("holds two entries '\(entry.name.abbreviated)'")
      }
    }
    guard position == directory.bytes.upperBound else {
      throw reader.malformed("has a table of contents that ends early")
    }
    var end = 0
    for entry in entries.values.sorted(by: {
      ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound)
    }) {
      guard entry.bytes.lowerBound >= end else {
        throw reader.malformed("has an entry '\(entry.name.abbreviated)' that overlaps another")
      }
      end = entry.bytes.upperBound
    }
    self.entries = entries
  }
}

/// Reads the records of a zip archive; every offset is checked.
private struct ZipReader {
  let file: UnsafeRawBufferPointer
  let location: String

  /// An entry as the table of contents has it.
  struct Record {
    let name: UnsafeRawBufferPointer
    let byteCount: UInt64
    let headerOffset: UInt64
    let checksum: UInt32
    /// Where the next record begins.
    let end: Int
  }

  private static let directoryEndByteCount = 22
  private static let locatorByteCount = 20

  func malformed(_ message: String) -> SanaError {
    SanaError(
      .malformedFile, "is not a valid torch file: \(message)", remedy: "download the file again",
      location: location)
  }

  private func unsupported(_ message: String) -> SanaError {
    SanaError(
      .unsupported, message, remedy: "save the tensors again with torch.save or as safetensors",
      location: location)
  }

  private func field<Field: FixedWidthInteger>(
    _ type: Field.Type, at offset: Int
  ) throws(SanaError) -> Field {
    let size = MemoryLayout<Field>.size
    guard offset >= 0, offset <= file.count - size else {
      throw malformed("ends inside a record")
    }
    return Field(littleEndian: file.loadUnaligned(fromByteOffset: offset, as: type))
  }

  /// The part of the file, if it lies below the limit.
  private func range(at offset: UInt64, count: UInt64, limit: Int) throws(SanaError) -> Range<Int> {
    let (end, overflow) = offset.addingReportingOverflow(count)
    guard !overflow, end <= UInt64(limit) else {
      throw malformed("points outside itself")
    }
    return Int(offset)..<Int(end)
  }

  /// Finds the table of contents from the record at the file's end.
  func directory() throws(SanaError) -> (bytes: Range<Int>, entryCount: Int) {
    let size = Self.directoryEndByteCount
    var found: Int?
    for position in stride(
      from: file.count - size, through: max(file.count - size - 65535, 0), by: -1)
    {
      guard try field(UInt32.self, at: position) == 0x0605_4B50,
        Int(try field(UInt16.self, at: position + 20)) == file.count - size - position
      else { continue }
      found = position
      break
    }
    guard let end = found else { throw malformed("its end is missing") }
    var disks = UInt64(try field(UInt16.self, at: end + 4))
    var count = UInt64(try field(UInt16.self, at: end + 10))
    var byteCount = UInt64(try field(UInt32.self, at: end + 12))
    var offset = UInt64(try field(UInt32.self, at: end + 16))
    var limit = end
    let locator = end - Self.locatorByteCount
    if locator >= 0, try field(UInt32.self, at: locator) == 0x0706_4B50 {
      let record = try range(
        at: try field(UInt64.self, at: locator + 8), count: 56, limit: locator)
      guard try field(UInt32.self, at: record.lowerBound) == 0x0606_4B50 else {
        throw malformed("its zip64 record is missing")
      }
      disks = UInt64(try field(UInt32.self, at: record.lowerBound + 16))
      count = try field(UInt64.self, at: record.lowerBound + 32)
      byteCount = try field(UInt64.self, at: record.lowerBound + 40)
      offset = try field(UInt64.self, at: record.lowerBound + 48)
      limit = record.lowerBound
    }
    guard disks == 0 else { throw unsupported("is one part of a zip archive in several") }
    let bytes = try range(at: offset, count: byteCount, limit: limit)
    guard count <= UInt64(min(ZipArchive.entryLimit, bytes.count / 46)) else {
      throw malformed("promises \(count) entries, more than it can hold")
    }
    return (bytes, Int(count))
  }

  func record(at position: Int, limit: Int) throws(SanaError) -> Record {
    guard limit - position >= 46, try field(UInt32.self, at: position) == 0x0201_4B50 else {
      throw malformed("its table of contents is broken")
    }
    let flags = try field(UInt16.self, at: position + 8)
    let method = try field(UInt16.self, at: position + 10)
    let nameCount = Int(try field(UInt16.self, at: position + 28))
    let extraCount = Int(try field(UInt16.self, at: position + 30))
    let commentCount = Int(try field(UInt16.self, at: position + 32))
    let extra = position + 46 + nameCount
    let end = extra + extraCount + commentCount
    guard end <= limit else { throw malformed("its table of contents is broken") }
    guard flags & 1 == 0 else { throw unsupported("is an encrypted zip archive") }
    guard method == 0 else {
      throw unsupported("is a compressed zip archive, which torch.save never writes")
    }
    var sizes: [UInt64] = [
      UInt64(try field(UInt32.self, at: position + 24)),
      UInt64(try field(UInt32.self, at: position + 20)),
      UInt64(try field(UInt32.self, at: position + 42)),
    ]
    try extendSizes(&sizes, extra: extra..<extra + extraCount)
    guard sizes[0] == sizes[1] else {
      throw malformed("has a stored entry of two different sizes")
    }
    return Record(
      name: UnsafeRawBufferPointer(rebasing: file[position + 46..<extra]), byteCount: sizes[0],
      headerOffset: sizes[2], checksum: try field(UInt32.self, at: position + 16), end: end)
  }

  /// Takes the sizes that do not fit 32 bits from the zip64 field, which holds those only, in this
  /// order.
  private func extendSizes(_ sizes: inout [UInt64], extra: Range<Int>) throws(SanaError) {
    var position = extra.lowerBound
    while extra.upperBound - position >= 4 {
      let identifier = try field(UInt16.self, at: position)
      let end = position + 4 + Int(try field(UInt16.self, at: position + 2))
      guard end <= extra.upperBound else { throw malformed("its table of contents is broken") }
      if identifier == 1 {
        var value = position + 4
        for index in sizes.indices where sizes[index] == UInt64(UInt32.max) {
          guard end - value >= 8 else { throw malformed("lacks a size that needs 64 bits") }
          sizes[index] = try field(UInt64.self, at: value)
          value += 8
        }
        return
      }
      position = end
    }
  }

  /// Finds the contents behind their own header, which must tell the same name.
  func entry(_ record: Record, limit: Int) throws(SanaError) -> ZipArchive.Entry {
    guard let name = String(validating: record.name, as: UTF8.self) else {
      throw malformed("has an entry whose name is not UTF-8")
    }
    let header = try range(at: record.headerOffset, count: 30, limit: limit).lowerBound
    guard try field(UInt32.self, at: header) == 0x0403_4B50 else {
      throw malformed("has no entry where '\(name.abbreviated)' should be")
    }
    let nameCount = Int(try field(UInt16.self, at: header + 26))
    let extraCount = Int(try field(UInt16.self, at: header + 28))
    let nameEnd = header + 30 + nameCount
    guard nameEnd <= limit, file[header + 30..<nameEnd].elementsEqual(record.name) else {
      throw malformed("gives the entry '\(name.abbreviated)' another name in its own place")
    }
    let bytes = try range(
      at: UInt64(nameEnd + extraCount), count: record.byteCount, limit: limit)
    return ZipArchive.Entry(name: name, bytes: bytes, checksum: record.checksum)
  }
}
