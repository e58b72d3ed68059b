package import Support
internal import Synchronization

/// A file of `torch.save` (`.pth`, `.pt`, `.bin`), mapped into memory: the tensors of one of its
/// dictionaries.
///
/// The file's pickle says what the tensors are, in a language that could say anything;
/// `PickleMachine` understands tensors and collections, and to it everything else is opaque. The
/// bytes of a tensor are checked against the archive's checksum when they are first asked for;
/// files of PyTorch before 1.6 have none.
package final class TorchFile: CheckpointTensors {
  private struct Content: Sendable {
    let tensor: CheckpointTensor
    let pickled: PickledTensor
    let numbers: TorchContents.Numbers
  }

  package let path: String
  package let tensors: [CheckpointTensor]
  /// All dictionaries of weights in the file, in its order.
  package let dictionaries: [StateDictionary]
  /// The one whose tensors these are.
  package let dictionary: StateDictionary
  /// What to say of the choice; `nil` where there was none.
  package let notice: String?
  private let file: MappedFile
  private let index: [String: Content]
  /// Names of the entries whose checksum has been found right.
  private let verified = Mutex<Set<String>>([])

  /// - Parameter selection: which dictionary is wanted; `nil` for the weights as they were trained,
  ///   or what there is.
  /// - Throws: `.fileAccess`; `.malformedFile`; `.corruptFile` when the pickle is not the one that
  ///   was written; `.unsupported` where the dictionary holds something else than tensors;
  ///   `.invalidArgument` where the selection finds none, or no single one.
  package convenience init(path: String, selection: StateSelection? = nil) throws(SanaError) {
    try self.init(MappedFile(path: path), selection: selection)
  }

  package init(_ file: MappedFile, selection: StateSelection? = nil) throws(SanaError) {
    let path = file.path
    let contents = try TorchContents(of: file)
    let found = try StateDictionaries(
      of: contents.root, in: contents.heap, selection: selection, location: path)
    self.path = path
    self.file = file
    dictionaries = found.all
    dictionary = found.taken
    notice = found.notice
    var tensors: [CheckpointTensor] = []
    var index: [String: Content] = [:]
    for (key, value) in contents.heap.dictionaries[found.taken.index] {
      let (name, pickled) = try Self.tensor(key, value, in: contents.heap, location: path)
      let tensor = CheckpointTensor(name: name, type: pickled.storage.type, shape: pickled.shape)
      let content = Content(
        tensor: tensor, pickled: pickled,
        numbers: try contents.numbers(of: pickled.storage, tensor: name))
      guard index.updateValue(content, forKey: name) == nil else {
        throw SanaError(
          .malformedFile, "holds two tensors '\(name.abbreviated)'",
          remedy: "download the file again", location: path)
      }
      tensors.append(tensor)
    }
    self.tensors = tensors
    self.index = index
  }

  private static func tensor(
    _ key: PickleValue, _ value: PickleValue, in heap: PickleHeap, location: String
  ) throws(SanaError) -> (name: String, tensor: PickledTensor) {
    func unsupported(_ message: String, remedy: String) -> SanaError {
      SanaError(.unsupported, message, remedy: remedy, location: location)
    }
    guard case .string(let name) = key else {
      throw unsupported(
        "holds \(key.kindName) as the name of a tensor",
        remedy: "save the model's state_dict() alone")
    }
    guard case .tensor(let index) = value else {
      throw unsupported(
        "holds \(value.kindName) as '\(name.abbreviated)', not a tensor of numbers that are stored as they are",
        remedy: "save the model's state_dict() alone, of tensors such as torch.float32")
    }
    let tensor = heap.tensors[index]
    guard tensor.isContiguous || tensor.shape.reduce(1, *) <= tensor.storage.elementCount else {
      throw unsupported(
        "holds a tensor '\(name.abbreviated)' that repeats its numbers (shape \(tensor.shape), strides \(tensor.strides))",
        remedy: "call contiguous() on it before saving")
    }
    return (name, tensor)
  }

  package var sourceFiles: [SourceFile] {
    [
      SourceFile(
        path: path, byteCount: file.byteCount,
        dictionary: dictionary.name.isEmpty ? nil : dictionary.name)
    ]
  }

  package func tensor(named name: String) -> CheckpointTensor? { index[name]?.tensor }

  package func origin(of name: String) -> TensorOrigin? {
    index[name].map { _ in TensorOrigin(path: path, name: name) }
  }

  package func elements(of name: String) throws -> TensorElements? {
    guard let content = index[name] else { return nil }
    if let entry = content.numbers.entry, !verified.withLock({ $0.contains(entry.name) }) {
      try TorchContents.verify(entry, in: file)
      verified.withLock { _ = $0.insert(entry.name) }
    }
    let (tensor, pickled) = (content.tensor, content.pickled)
    guard pickled.isContiguous else { return gather(content) }
    let begin = content.numbers.bytes.lowerBound + pickled.offset * tensor.type.byteCount
    return TensorElements(
      type: tensor.type, bytes: TensorBytes(file, begin..<begin + tensor.byteCount))
  }

  /// The numbers of a tensor that do not lie one after the other: of a transposed matrix, for one.
  private func gather(_ content: Content) -> TensorElements {
    let size = content.tensor.type.byteCount
    let (shape, strides) = (content.pickled.shape, content.pickled.strides)
    let storage = UnsafeRawBufferPointer(rebasing: file.bytes[content.numbers.bytes])
    var position = [Int](repeating: 0, count: shape.count)
    var offset = content.pickled.offset
    let bytes = TensorBytes(byteCount: content.tensor.byteCount) { memory in
      for element in 0..<content.tensor.elementCount {
        UnsafeMutableRawBufferPointer(rebasing: memory[element * size..<(element + 1) * size])
          .copyMemory(
            from: UnsafeRawBufferPointer(rebasing: storage[offset * size..<(offset + 1) * size]))
        for axis in shape.indices.reversed() {
          position[axis] += 1
          offset += strides[axis]
          if position[axis] < shape[axis] { break }
          offset -= strides[axis] * shape[axis]
          position[axis] = 0
        }
      }
    }
    return TensorElements(type: content.tensor.type, bytes: bytes)
  }

  /// Whether the file begins like a zip archive or a pickle. A safetensors file begins with a
  /// length below 2^32 and a brace.
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
