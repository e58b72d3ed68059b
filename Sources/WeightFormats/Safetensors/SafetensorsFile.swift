public import Support

/// A safetensors file, mapped into memory; nothing is read until it is touched.
///
/// Opening checks everything the header says: after it, every tensor lies inside the file, no two
/// overlap, and together they fill the data section without holes, as the format demands
/// (https://github.com/huggingface/safetensors, "Format").
public final class SafetensorsFile: Sendable {
  public let path: String
  /// In the order of their bytes.
  public let tensors: [CheckpointTensor]
  /// The strings under `__metadata__`.
  public let metadata: [String: String]
  private let file: MappedFile
  private let index: [String: (tensor: CheckpointTensor, bytes: Range<Int>)]

  /// - Throws: `.fileAccess`; `.malformedFile` when the header is wrong in any way; `.unsupported`
  ///   for a tensor of a type that official Sana files never use.
  public convenience init(path: String) throws(SanaError) {
    try self.init(MappedFile(path: path))
  }

  package init(_ file: MappedFile) throws(SanaError) {
    let header = try SafetensorsHeader(of: file.bytes, location: file.path)
    path = file.path
    self.file = file
    metadata = header.metadata
    tensors = header.entries.map(\.tensor)
    index = Dictionary(uniqueKeysWithValues: header.entries.map { ($0.tensor.name, $0) })
  }

  /// Size of the whole file.
  public var byteCount: Int { file.byteCount }

  public func tensor(named name: String) -> CheckpointTensor? { index[name]?.tensor }

  /// The tensor's bytes, little-endian, not aligned to anything; they stay valid as long as the
  /// result lives.
  public func bytes(of name: String) -> TensorBytes? {
    index[name].map { TensorBytes(file, $0.bytes) }
  }
}

extension SafetensorsFile: CheckpointTensors {
  package var sourceFiles: [SourceFile] { [SourceFile(path: path, byteCount: byteCount)] }

  package func origin(of name: String) -> TensorOrigin? {
    tensor(named: name).map { TensorOrigin(path: path, name: $0.name) }
  }

  package func elements(of name: String) -> TensorElements? {
    guard let tensor = tensor(named: name), let bytes = bytes(of: name) else { return nil }
    return TensorElements(type: tensor.type, bytes: bytes)
  }

  /// Names under `__metadata__` that stand for a tensor of another name.
  var aliases: [String: String] {
    metadata.filter { tensor(named: $0.key) == nil && tensor(named: $0.value) != nil }
  }
}
