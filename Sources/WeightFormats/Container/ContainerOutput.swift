internal import Support
internal import Synchronization

/// A `.sana` file while it is being written: the file, and what its directory will say.
final class ContainerOutput: Sendable {
  private struct Component {
    let kind: ComponentKind
    let metadata: MetadataValue
    var names: Set<ExactString> = []
    var tensors: [TensorEntry] = []
  }

  private struct State {
    /// Where the last plane ended.
    var end = ContainerHeader.byteCount
    var components: [Component] = []

    /// Why the next tensor cannot be written.
    func brokenRule(_ description: TensorDescription) -> String? {
      guard let component = components.last else { return "belongs to no component" }
      if component.names.contains(ExactString(description.name)) { return "comes twice" }
      return description.brokenRule
    }
  }

  private let path: String
  private let file: ReplacementFile
  private let state = Mutex(State())
  private let header = ContainerHeader(version: .current).encoded

  private let encoder: ChunkEncoder

  init(path: String, encoder: ChunkEncoder) throws {
    self.path = path
    self.encoder = encoder
    file = try ReplacementFile(path: path)
    try file.write(header, at: 0)
  }

  func beginComponent(_ kind: ComponentKind, metadata: MetadataValue) throws {
    try state.withLock { state in
      guard !state.components.contains(where: { $0.kind == kind }) else {
        throw SanaError(
          .invalidArgument, "the component '\(kind.rawValue)' comes twice",
          remedy: "write each component once", location: path)
      }
      state.components.append(Component(kind: kind, metadata: metadata))
    }
  }

  /// Checks a description and remembers its name.
  /// - Returns: the index of the component it belongs to.
  func admit(_ description: TensorDescription) throws -> Int {
    try state.withLock { state in
      let index = state.components.count - 1
      if let rule = state.brokenRule(description) {
        throw SanaError(
          .invalidArgument, "tensor '\(description.name.abbreviated)' \(rule)",
          remedy: "leave it out or change it", location: path)
      }
      state.components[index].names.insert(ExactString(description.name))
      return index
    }
  }

  /// Appends chunks to a plane.
  /// - Parameter byteCount: raw bytes of the whole plane.
  func write(_ chunks: [EncodedChunk], to plane: inout PlaneAssembly, byteCount: Int) throws {
    try state.withLock { state in
      if plane.offset == nil {
        state.end = ContainerLayout.align(
          state.end, to: ContainerLayout.alignment(rawByteCount: byteCount))
        plane.offset = state.end
      }
      for chunk in chunks {
        try encoder.times.measure(.write, byteCount: chunk.bytes.bytes.count) {
          try file.write(chunk.bytes.bytes, at: state.end)
        }
        plane.append(chunk, at: state.end)
        state.end += chunk.bytes.bytes.count
      }
    }
  }

  /// Writes the scales and the entry of a tensor whose values are all written.
  func complete(_ assembly: TensorAssembly, in component: Int) throws {
    let description = assembly.description
    var scales: PlaneEntry?
    if description.encoding.isQuantized {
      var plane = PlaneAssembly()
      let bytes = assembly.scaleBytes
      try write(
        encoder.encode(bytes, elementByteCount: 4), to: &plane, byteCount: bytes.bytes.count)
      scales = plane.entry
    }
    let entry = TensorEntry(
      description: description, metadata: try assembly.metadata(), values: assembly.values.entry,
      scales: scales)
    state.withLock { $0.components[component].tensors.append(entry) }
  }

  /// Writes directory and footer, and gives the file its name.
  func finish(metadata: MetadataValue) throws {
    let (end, components) = state.withLock { ($0.end, $0.components) }
    let directory = ContainerDirectory(
      metadata: metadata,
      components: components.map {
        ComponentEntry(
          name: $0.kind.rawValue, kind: $0.kind, metadata: $0.metadata, tensors: $0.tensors)
      })
    let bytes = directory.encoded
    let offset = ContainerLayout.align(end, to: 64)
    let footer = ContainerFooter(
      directoryOffset: offset, directoryByteCount: bytes.count,
      directoryChecksum: bytes.withUnsafeBytes { checksum($0) }, features: directory.features,
      fileByteCount: offset + bytes.count + ContainerFooter.byteCount)
    try check(bytes, footer: footer)
    try file.write(bytes, at: offset)
    try file.write(footer.encoded(after: header), at: offset + bytes.count)
    try encoder.times.measure(.sync, byteCount: footer.fileByteCount) { try file.commit() }
  }

  /// Removes what was written, unless it is finished. No job may be in flight.
  func discard() { file.discard() }

  /// Refuses to write what a reader would refuse.
  private func check(_ directory: [UInt8], footer: ContainerFooter) throws {
    do {
      guard directory.count <= ContainerLimits.directoryByteCount else {
        throw SanaError.malformedContainer(path, "its directory is longer than 64 MiB")
      }
      _ = try directory.withUnsafeBytes {
        try ContainerDirectory($0, footer: footer, version: .current, path: path)
      }
    } catch {
      throw SanaError(
        .invalidArgument, "cannot be written as a .sana file",
        remedy: "keep names and metadata within the limits of the format", location: path,
        cause: error)
    }
  }
}
