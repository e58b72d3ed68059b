public import Support

/// A `.sana` file, opened for reading.
///
/// Opening maps the file and checks header, footer, the whole directory and the zeros between
/// planes: afterwards every offset lies in the file, every size follows from a tensor's
/// description, and every other byte belongs to a chunk. The tensors themselves are checked when
/// they are read, or all by `verify`.
public final class ModelFile: Sendable {
  public let path: String
  public let version: ContainerVersion
  public let features: ContainerFeatures
  /// An object that describes the file as a whole: provenance, the recipe of its quantization, the
  /// scheduler.
  public let metadata: MetadataValue
  /// In the order of the file.
  public let components: [ComponentEntry]
  let file: MappedFile
  let footer: ContainerFooter

  /// - Throws: `.fileAccess` when it cannot be read, `.malformedFile` when it is no `.sana` file or
  ///   breaks its rules, `.corruptFile` when it is incomplete or a checksum disagrees,
  ///   `.unsupported` when it needs a newer reader.
  public convenience init(path: String) throws(SanaError) {
    guard FileSystem.kind(of: path) != .directory else {
      throw FileKind.folderRefusal(for: .model, path: path)
    }
    try self.init(MappedFile(path: path))
  }

  package init(_ file: MappedFile) throws(SanaError) {
    let path = file.path
    let version = try ContainerHeader(file.bytes, path: path).version
    let footer = try ContainerFooter(file.bytes, path: path, version: version)
    let bytes = UnsafeRawBufferPointer(
      rebasing: file.bytes[
        footer.directoryOffset..<footer.directoryOffset + footer.directoryByteCount])
    guard checksum(bytes) == footer.directoryChecksum else {
      throw .corruptContainer(path, "the checksum of its directory disagrees")
    }
    let directory = try ContainerDirectory(bytes, footer: footer, version: version, path: path)
    for gap in directory.gaps(before: footer.directoryOffset) where !(try file.isZero(gap)) {
      throw .corruptContainer(path, "bytes \(gap) between tensors are not zero")
    }
    self.path = path
    self.version = version
    self.file = file
    self.footer = footer
    features = footer.features
    metadata = directory.metadata
    components = directory.components
  }

  public var byteCount: Int { file.byteCount }

  /// Tells the contents of this file from those of others, as hexadecimal digits: a checksum of the
  /// directory, which holds a checksum of every tensor's bytes.
  public var contentDigest: String {
    let digits = String(footer.directoryChecksum, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  public func component(_ kind: ComponentKind) -> ComponentEntry? {
    components.first { $0.kind == kind }
  }

  /// The weights of one network.
  /// - Throws: `.tensorMismatch` when the file has no such component.
  public func source(for kind: ComponentKind) throws(SanaError) -> ComponentSource {
    guard let component = component(kind) else {
      let held = components.map(\.name.abbreviated).joined(separator: ", ")
      throw SanaError(
        .tensorMismatch, "has no \(kind.rawValue) (it has: \(held.isEmpty ? "nothing" : held))",
        remedy: "convert a checkpoint that includes it", location: path)
    }
    return ComponentSource(file: self, component: component)
  }
}
