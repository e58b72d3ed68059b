internal import Synchronization

/// A file of `torch.save` (`.pth`, `.pt`, `.bin`), mapped into memory: the tensors of its state dictionary.
///
/// The archive's `data.pkl` says what the tensors are, in a language that could say anything; `PickleMachine` understands
/// tensors and collections and nothing else. The bytes of a tensor are checked against the archive's checksum when they are first
/// asked for.
package final class TorchFile: CheckpointTensors {
  private struct Content: Sendable {
    let tensor: SafetensorsTensor
    let bytes: Range<Int>
    let entry: ZipArchive.Entry
  }

  package let path: String
  package let tensors: [SafetensorsTensor]
  private let file: MappedFile
  private let index: [String: Content]
  /// Names of the entries whose checksum has been found right.
  private let verified = Mutex<Set<String>>([])

  /// - Throws: `.fileAccess`; `.malformedFile`; `.corruptFile` when the pickle is not the one that was written; `.unsupported` for
  ///   pickles that do more than hold tensors, for files of PyTorch before 1.6, and for tensors that are not contiguous.
  package convenience init(path: String) throws(SanaError) {
    try self.init(MappedFile(path: path))
  }

  package init(_ file: MappedFile) throws(SanaError) {
    let path = file.path
    guard !file.bytes.isEmpty, file.bytes[0] != PickleOpcode.proto.rawValue else {
      throw SanaError(
        .unsupported, "is a torch file of the format before PyTorch 1.6, which is not read",
        remedy: "load it and save it again with torch.save, or as safetensors", location: path)
    }
    let archive = try ZipArchive(of: file.bytes, location: path)
    let contents = try TorchArchive(archive, file: file)
    self.path = path
    self.file = file
    var tensors: [SafetensorsTensor] = []
    var index: [String: Content] = [:]
    for (name, pickled) in try contents.stateDictionary() {
      let tensor = SafetensorsTensor(name: name, type: pickled.storage.type, shape: pickled.shape)
      let entry = try contents.entry(of: pickled.storage, tensor: name)
      let begin = entry.bytes.lowerBound + pickled.offset * tensor.type.byteCount
      let content = Content(
        tensor: tensor, bytes: begin..<begin + tensor.byteCount, entry: entry)
      guard index.updateValue(content, forKey: name) == nil else {
        throw SanaError(
          .malformedFile, "holds two tensors '\(name.printable)'",
          remedy: "download the file again", location: path)
      }
      tensors.append(tensor)
    }
    self.tensors = tensors
    self.index = index
  }

  package var sourceFiles: [SourceFile] { [SourceFile(path: path, byteCount: file.byteCount)] }

  package func tensor(named name: String) -> SafetensorsTensor? { index[name]?.tensor }

  package func origin(of name: String) -> TensorOrigin? {
    index[name].map { _ in TensorOrigin(path: path, name: name) }
  }

  package func elements(of name: String) throws -> TensorElements? {
    guard let content = index[name] else { return nil }
    let entry = content.entry
    if !verified.withLock({ $0.contains(entry.name) }) {
      try TorchArchive.verify(entry, in: file)
      verified.withLock { _ = $0.insert(entry.name) }
    }
    return TensorElements(
      type: content.tensor.type,
      bytes: TensorBytes(file, content.bytes))
  }

  /// Whether the file begins like a zip archive or a pickle. A safetensors file begins with a length below 2^32 and a brace.
  static func isTorchFile(_ path: String) throws(SanaError) -> Bool {
    let file = try MappedFile(path: path)
    return withExtendedLifetime(file) {
      let bytes = file.bytes
      guard bytes.count > 8, bytes[8] != UInt8(ascii: "{") else { return false }
      return bytes.starts(with: [0x50, 0x4B, 0x03, 0x04])
        || (bytes[0] == PickleOpcode.proto.rawValue && bytes[4..<8].contains { $0 != 0 })
    }
  }
}

/// What the archive's entries mean to torch.
private struct TorchArchive {
  private let archive: ZipArchive
  private let file: MappedFile
  /// The folder that all entries are in.
  private let folder: String
  private let root: PickleValue
  private let heap: PickleHeap

  init(_ archive: ZipArchive, file: MappedFile) throws(SanaError) {
    let pickles = archive.entries.values.filter {
      $0.name.hasSuffix("/data.pkl") && $0.name.count(where: { $0 == "/" }) == 1
    }
    guard let pickle = pickles.first, pickles.count == 1 else {
      throw SanaError(
        .malformedFile, "is a zip archive without the data.pkl of a torch file",
        remedy: "name a file that torch.save wrote", location: file.path)
    }
    folder = String(pickle.name.dropLast("data.pkl".count))
    if let order = archive.entries[folder + "byteorder"],
      !file.bytes[order.bytes].elementsEqual("little".utf8)
    {
      throw SanaError(
        .unsupported, "holds numbers whose most significant byte comes first",
        remedy: "save it again on a little-endian machine", location: file.path)
    }
    try Self.verify(pickle, in: file)
    (root, heap) = try PickleMachine.run(
      UnsafeRawBufferPointer(rebasing: file.bytes[pickle.bytes]), location: file.path)
    self.archive = archive
    self.file = file
  }

  /// - Throws: `.corruptFile` when the entry's bytes have another checksum. Writers that compute none leave it 0.
  static func verify(_ entry: ZipArchive.Entry, in file: MappedFile) throws(SanaError) {
    let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[entry.bytes])
    guard entry.checksum == 0 || entry.checksum == CyclicRedundancyCheck.checksum(bytes) else {
      throw SanaError(
        .corruptFile, "is damaged: the checksum of '\(entry.name.printable)' is wrong",
        remedy: "download the file again", location: file.path)
    }
  }

  /// The dictionary under `state_dict`, or the whole if there is none: names and tensors.
  func stateDictionary() throws(SanaError) -> [(name: String, tensor: PickledTensor)] {
    func unsupported(_ message: String) -> SanaError {
      SanaError(
        .unsupported, message, remedy: "save the model's state_dict() alone", location: file.path)
    }
    guard case .dictionary(var index) = root else {
      throw unsupported("holds \(root.kindName), not a dictionary of tensors")
    }
    for (key, value) in heap.dictionaries[index] {
      if case .string("state_dict") = key, case .dictionary(let inner) = value { index = inner }
    }
    var tensors: [(name: String, tensor: PickledTensor)] = []
    for (key, value) in heap.dictionaries[index] {
      guard case .string(let name) = key else {
        throw unsupported("holds \(key.kindName) as the name of a tensor")
      }
      guard case .tensor(let tensor) = value else {
        throw unsupported("holds \(value.kindName) as '\(name.printable)', not a tensor")
      }
      guard heap.tensors[tensor].isContiguous else {
        throw unsupported(
          "holds a tensor '\(name.printable)' whose numbers are not in order (shape \(heap.tensors[tensor].shape), strides \(heap.tensors[tensor].strides))"
        )
      }
      tensors.append((name, heap.tensors[tensor]))
    }
    return tensors
  }

  /// The entry that holds a storage.
  func entry(of storage: PickledStorage, tensor: String) throws(SanaError) -> ZipArchive.Entry {
    guard let entry = archive.entries["\(folder)data/\(storage.key)"] else {
      throw SanaError(
        .malformedFile, "lacks the numbers of the tensor '\(tensor.printable)'",
        remedy: "download the file again", location: file.path)
    }
    guard entry.bytes.count == storage.elementCount * storage.type.byteCount else {
      throw SanaError(
        .malformedFile,
        "has \(entry.bytes.count) bytes for \(storage.elementCount) numbers of the tensor '\(tensor.printable)'",
        remedy: "download the file again", location: file.path)
    }
    return entry
  }
}
