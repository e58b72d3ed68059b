internal import Support

extension ContainerDirectory {
  /// Reads and validates a directory: limits, names, sizes that follow from the descriptions, and
  /// that the planes follow one another without overlap inside the file.
  ///
  /// - Parameters:
  ///   - bytes: the directory, whose checksum agreed.
  ///   - footer: where the directory begins, and which features the file may use.
  init(
    _ bytes: UnsafeRawBufferPointer, footer: ContainerFooter, version: ContainerVersion,
    path: String
  ) throws(SanaError) {
    var decoder = DirectoryDecoder(
      reader: ByteReader(bytes, path: path), version: version, path: path)
    metadata = try decoder.readObject()
    let count = try decoder.reader.readCount(
      of: "components", minimumByteCount: 13, limit: ContainerLimits.components)
    components = []
    for _ in 0..<count {
      let component = try decoder.readComponent()
      guard
        !components.contains(where: { ExactString($0.name) == ExactString(component.name) })
      else {
        throw .malformedContainer(
          path, "two components are named '\(component.name.abbreviated)'")
      }
      components.append(component)
    }
    guard decoder.reader.remaining == 0 else {
      throw .malformedContainer(path, "\(decoder.reader.remaining) bytes follow its directory")
    }
    guard decoder.end <= footer.directoryOffset else {
      throw .malformedContainer(path, "tensors reach into its directory")
    }
    guard ContainerLayout.align(decoder.end, to: 64) == footer.directoryOffset else {
      throw .malformedContainer(path, "its directory does not follow its tensors")
    }
    guard footer.features == features else {
      throw .malformedContainer(path, "its feature bits are not those of its tensors")
    }
  }
}

private struct DirectoryDecoder {
  var reader: ByteReader
  let version: ContainerVersion
  let path: String
  /// Where the last plane ended; the next begins behind it.
  private(set) var end = ContainerHeader.byteCount
  private var metadataBudget = ContainerLimits.metadataValues

  init(reader: ByteReader, version: ContainerVersion, path: String) {
    self.reader = reader
    self.version = version
    self.path = path
  }

  mutating func readObject() throws(SanaError) -> MetadataValue {
    let value = try reader.readMetadata(budget: &metadataBudget, version: version)
    guard value.members != nil else { throw reader.malformed("metadata is not an object") }
    return value
  }

  mutating func readComponent() throws(SanaError) -> ComponentEntry {
    let name = try reader.readString()
    if let rule = containerNameRule(name) { throw reader.malformed("a component \(rule)") }
    let metadata = try readObject()
    // Name, rank, encoding, activations, parameter, metadata, one plane.
    let count = try reader.readCount(
      of: "tensors in '\(name.abbreviated)'", minimumByteCount: 28,
      limit: ContainerLimits.tensorsPerComponent)
    var tensors: [TensorEntry] = []
    var names: Set<ExactString> = []
    for _ in 0..<count {
      let tensor = try readTensor()
      guard names.insert(ExactString(tensor.name)).inserted else {
        throw reader.malformed(
          "two tensors of '\(name.abbreviated)' are named '\(tensor.name.abbreviated)'")
      }
      tensors.append(tensor)
    }
    if let weight = InputFactors.weightWithout(tensors.map(\.description)) {
      throw reader.malformed("tensor '\(weight.abbreviated)' has no factors for its input")
    }
    return ComponentEntry(
      name: name, kind: ComponentKind(rawValue: name), metadata: metadata, tensors: tensors)
  }

  private mutating func readTensor() throws(SanaError) -> TensorEntry {
    let name = try reader.readString()
    if let rule = containerNameRule(name) {
      throw reader.malformed("tensor '\(name.abbreviated)' \(rule)")
    }
    let rank = try reader.read(UInt8.self)
    guard rank <= ContainerLimits.rank else {
      throw reader.malformed(
        "tensor '\(name.abbreviated)' has \(rank) axes, more than \(ContainerLimits.rank)")
    }
    var shape: [Int] = []
    for _ in 0..<rank {
      guard let extent = Int(exactly: try reader.read(UInt64.self)) else {
        throw reader.malformed("tensor '\(name.abbreviated)' has too many elements")
      }
      shape.append(extent)
    }
    let code = try reader.read(UInt8.self)
    let activationCode = try reader.read(UInt8.self)
    let parameter = try reader.read(UInt32.self)
    guard let encoding = TensorEncoding(code: code, parameter: parameter) else {
      throw .unsupportedContainer(
        path, "tensor '\(name.abbreviated)' has encoding \(code) with parameter \(parameter)",
        version: version)
    }
    guard encoding.parameter == parameter else {
      throw reader.malformed(
        "tensor '\(name.abbreviated)' has a parameter that its encoding has no use for")
    }
    guard let activations = ActivationEncoding(code: activationCode) else {
      throw .unsupportedContainer(
        path, "tensor '\(name.abbreviated)' has activation encoding \(activationCode)",
        version: version)
    }
    let description = TensorDescription(
      name: name, shape: shape, encoding: encoding, activations: activations)
    if let rule = description.brokenRule {
      throw reader.malformed("tensor '\(name.abbreviated)' \(rule)")
    }
    let metadata = try readObject()
    let values = try readPlane(of: name, byteCount: description.valueByteCount)
    let scales =
      encoding.isQuantized ? try readPlane(of: name, byteCount: description.scaleCount * 4) : nil
    return TensorEntry(description: description, metadata: metadata, values: values, scales: scales)
  }

  private mutating func readPlane(of name: String, byteCount: Int) throws(SanaError) -> PlaneEntry {
    let start = try reader.read(UInt64.self)
    let alignment = ContainerLayout.alignment(rawByteCount: byteCount)
    guard start == UInt64(ContainerLayout.align(end, to: alignment)) else {
      throw reader.malformed("tensor '\(name.abbreviated)' does not follow the one before it")
    }
    let offset = Int(start)
    let count = try reader.readCount(of: "chunks of '\(name.abbreviated)'", minimumByteCount: 20)
    var chunks: [ChunkEntry] = []
    end = offset
    var rawEnd = 0
    for _ in 0..<count {
      let chunk = try readChunk(of: name, offset: end, rawOffset: rawEnd)
      // Both stay small: a chunk is at most 16 MiB, and there are fewer than 2^22 of them in a
      // directory of 64 MiB.
      end += chunk.storedByteCount
      rawEnd += chunk.rawByteCount
      chunks.append(chunk)
    }
    guard rawEnd == byteCount else {
      throw reader.malformed(
        "tensor '\(name.abbreviated)' needs \(byteCount) bytes, its chunks hold \(rawEnd)")
    }
    return PlaneEntry(offset: offset, chunks: chunks)
  }

  private mutating func readChunk(of name: String, offset: Int, rawOffset: Int) throws(SanaError)
    -> ChunkEntry
  {
    let raw = Int(try reader.read(UInt32.self))
    let stored = Int(try reader.read(UInt32.self))
    let filterCode = try reader.read(UInt8.self)
    let elementByteCount = try reader.read(UInt8.self)
    let codecCode = try reader.read(UInt8.self)
    let reserved = try reader.read(UInt8.self)
    let checksum = try reader.read(UInt64.self)
    let filter: ChunkFilter
    switch (filterCode, elementByteCount) {
    case (0, 0): filter = .none
    case (1, 1), (1, 2), (1, 4), (1, 8):
      filter = .bitshuffle(elementByteCount: Int(elementByteCount))
    case (0, _), (1, _):
      throw reader.malformed(
        "a chunk of '\(name.abbreviated)' uses filter \(filterCode) for elements of \(elementByteCount) bytes"
      )
    default:
      throw .unsupportedContainer(
        path, "tensor '\(name.abbreviated)' uses filter \(filterCode)", version: version)
    }
    guard let codec = ChunkCodec(rawValue: codecCode) else {
      throw .unsupportedContainer(
        path, "tensor '\(name.abbreviated)' uses codec \(codecCode)", version: version)
    }
    guard reserved == 0 else {
      throw reader.malformed("a chunk of '\(name.abbreviated)' has a reserved byte")
    }
    guard 1...ContainerLimits.chunkByteCount ~= raw else {
      throw reader.malformed("a chunk of '\(name.abbreviated)' holds \(raw) bytes")
    }
    let isPossible =
      switch codec {
      case .stored: stored == raw
      case .lz4: stored >= 1 && stored < raw && raw <= stored * ContainerLimits.expansion
      }
    guard isPossible else {
      throw reader.malformed(
        "a chunk of '\(name.abbreviated)' claims to hold \(raw) bytes in \(stored)")
    }
    return ChunkEntry(
      rawByteCount: raw, storedByteCount: stored, filter: filter, codec: codec, checksum: checksum,
      offset: offset, rawOffset: rawOffset)
  }
}
