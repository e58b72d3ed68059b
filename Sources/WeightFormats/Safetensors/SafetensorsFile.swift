/// One tensor of a safetensors file.
public struct SafetensorsTensor: Hashable, Sendable {
  public let name: String
  public let type: ScalarType
  /// Outermost axis first; `[]` for a scalar. The product of the axes and the element size fits in an `Int`.
  public let shape: [Int]

  public init(name: String, type: ScalarType, shape: [Int]) {
    self.name = name
    self.type = type
    self.shape = shape
  }

  public var elementCount: Int { shape.reduce(1, *) }
  public var byteCount: Int { elementCount * type.byteCount }
}

/// A safetensors file, mapped into memory; nothing is read until it is touched.
///
/// Opening checks everything the header says: after it, every tensor lies inside the file, no two overlap, and together they
/// fill the data section without holes, as the format demands
/// (https://github.com/huggingface/safetensors, "Format").
public final class SafetensorsFile: Sendable {
  public let path: String
  /// In the order of their bytes.
  public let tensors: [SafetensorsTensor]
  /// The strings under `__metadata__`.
  public let metadata: [String: String]
  private let file: MappedFile
  private let index: [String: (tensor: SafetensorsTensor, bytes: Range<Int>)]

  /// - Throws: `.fileAccess`; `.malformedFile` when the header is wrong in any way; `.unsupported` for a tensor of a type that
  ///   official Sana files never use.
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

  public func tensor(named name: String) -> SafetensorsTensor? { index[name]?.tensor }

  /// The tensor's bytes, little-endian, not aligned to anything; they stay valid as long as the result lives.
  public func bytes(of name: String) -> TensorBytes? {
    index[name].map { TensorBytes(file, $0.bytes) }
  }
}
