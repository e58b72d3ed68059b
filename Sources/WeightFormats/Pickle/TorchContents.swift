internal import Support

/// What a file of `torch.save` holds: a pickle, and outside of it the numbers of its tensors.
struct TorchContents {
  /// Numbers of one storage.
  struct Numbers: Hashable, Sendable {
    /// Where they are in the file.
    let bytes: Range<Int>
    /// The archive's entry, whose checksum has to be right.
    let entry: ZipArchive.Entry?
  }

  let root: PickleValue
  let heap: PickleHeap
  private let numbers: [String: Numbers]
  private let location: String

  /// - Throws: `.malformedFile`; `.corruptFile` when the pickle is not the one that was written;
  ///   `.unsupported` for files that are of another kind or whose numbers have their most
  ///   significant byte first.
  init(of file: MappedFile) throws(SanaError) {
    location = file.path
    if file.bytes.starts(with: Self.magicPickle) {
      (root, heap, numbers) = try Self.sequence(file)
    } else {
      (root, heap, numbers) = try Self.archive(file)
    }
  }

  /// Where the numbers of a storage are.
  func numbers(of storage: PickledStorage, tensor: String) throws(SanaError) -> Numbers {
    guard let found = numbers[storage.key] else {
      throw SanaError(
        .malformedFile, "lacks the numbers of the tensor '\(tensor.abbreviated)'",
        remedy: "download the file again", location: location)
    }
    guard found.bytes.count == storage.elementCount * storage.type.byteCount else {
      throw SanaError(
        .malformedFile,
        "has \(found.bytes.count) bytes for \(storage.elementCount) numbers of the tensor '\(tensor.abbreviated)'",
        remedy: "download the file again", location: location)
    }
    return found
  }

  /// - Throws: `.corruptFile` when the entry's bytes have another checksum. Writers that compute
  ///   none leave it 0.
  static func verify(_ entry: ZipArchive.Entry, in file: MappedFile) throws(SanaError) {
    let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[entry.bytes])
    guard entry.checksum == 0 || entry.checksum == CyclicRedundancyCheck.checksum(bytes) else {
      throw SanaError(
        .corruptFile, "is damaged: the checksum of '\(entry.name.abbreviated)' is wrong",
        remedy: "download the file again", location: file.path)
    }
  }

  private typealias Parts = (root: PickleValue, heap: PickleHeap, numbers: [String: Numbers])

  /// A zip archive: a folder with `data.pkl`, and a file for every storage.
  private static func archive(_ file: MappedFile) throws(SanaError) -> Parts {
    guard file.bytes.first != PickleOpcode.proto.rawValue else {
      throw SanaError(
        .unsupported, "is a pickle, but none of torch.save's",
        remedy: "load it in Python and save the tensors with torch.save", location: file.path)
    }
    let archive = try ZipArchive(of: file.bytes, location: file.path)
    let pickles = archive.entries.values.filter {
      $0.name.hasSuffix("/data.pkl") && $0.name.count(where: { $0 == "/" }) == 1
    }
    guard let pickle = pickles.first, pickles.count == 1 else {
      throw SanaError(
        .malformedFile, "is a zip archive without the data.pkl of a torch file",
        remedy: "name a file that torch.save wrote", location: file.path)
    }
    let folder = String(pickle.name.dropLast("data.pkl".count))
    if let order = archive.entries[folder + "byteorder"],
      !file.bytes[order.bytes].elementsEqual("little".utf8)
    {
      throw bigEndian(file.path)
    }
    try verify(pickle, in: file)
    let (root, heap) = try PickleMachine.run(
      UnsafeRawBufferPointer(rebasing: file.bytes[pickle.bytes]), location: file.path)
    var numbers: [String: Numbers] = [:]
    let prefix = folder + "data/"
    for (name, entry) in archive.entries where name.hasPrefix(prefix) {
      numbers[String(name.dropFirst(prefix.count))] = Numbers(bytes: entry.bytes, entry: entry)
    }
    return (root, heap, numbers)
  }

  private static func bigEndian(_ path: String) -> SanaError {
    SanaError(
      .unsupported, "holds numbers whose most significant byte comes first",
      remedy: "save it again on a little-endian machine", location: path)
  }

  // MARK: - Files of PyTorch before 1.6

  /// The number 0x1950A86A20F9469CFC6C, pickled.
  static let magicPickle: [UInt8] = [
    0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E,
  ]

  /// Pickles one after the other (`torch.serialization._legacy_save`): the magic number, the
  /// format's version, facts about the machine, what was saved, the names of the storages; then for
  /// each storage the count of its numbers, 64 bits, and the numbers.
  private static func sequence(_ file: MappedFile) throws(SanaError) -> Parts {
    func malformed(_ message: String) -> SanaError {
      SanaError(.malformedFile, message, remedy: "download the file again", location: file.path)
    }
    var position = magicPickle.count
    func next() throws(SanaError) -> (root: PickleValue, heap: PickleHeap) {
      let pickle = try PickleMachine.runFirst(
        UnsafeRawBufferPointer(rebasing: file.bytes[position...]), location: file.path)
      position += pickle.byteCount
      return (pickle.root, pickle.heap)
    }
    guard case .integer(1001) = try next().root else {
      throw SanaError(
        .unsupported, "is a torch file of an unknown version",
        remedy: "load it in PyTorch and save it again with torch.save", location: file.path)
    }
    let machine = try next()
    if case .dictionary(let facts) = machine.root {
      for (key, value) in machine.heap.dictionaries[facts] {
        if case .string("little_endian") = key, case .bool(false) = value {
          throw bigEndian(file.path)
        }
      }
    }
    let saved = try next()
    let names = try next()
    guard case .list(let list) = names.root else { throw malformed("does not list its storages") }
    var types: [String: ScalarType] = [:]
    for storage in saved.heap.storages { types[storage.key] = storage.type }
    var numbers: [String: Numbers] = [:]
    for item in names.heap.lists[list] {
      guard case .string(let key) = item else { throw malformed("does not list its storages") }
      // How long a storage of an unknown type is, nothing says: what comes behind it cannot be
      // found.
      guard let type = types[key] else {
        throw SanaError(
          .unsupported,
          "holds numbers of a type that is not read, in the format before PyTorch 1.6",
          remedy: "load it in PyTorch and save it again with torch.save", location: file.path)
      }
      guard file.bytes.count - position >= 8 else { throw malformed("ends before its numbers") }
      let count = UInt64(
        littleEndian: file.bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
      position += 8
      let (byteCount, overflow) = count.multipliedReportingOverflow(by: UInt64(type.byteCount))
      guard !overflow, byteCount <= UInt64(file.bytes.count - position) else {
        throw malformed("ends inside the numbers of a tensor")
      }
      numbers[key] = Numbers(bytes: position..<position + Int(byteCount), entry: nil)
      position += Int(byteCount)
    }
    guard position == file.bytes.count else {
      throw malformed("has \(file.bytes.count - position) bytes after its last tensor")
    }
    return (saved.root, saved.heap, numbers)
  }
}
