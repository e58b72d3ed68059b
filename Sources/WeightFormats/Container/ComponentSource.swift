public import Support
internal import Synchronization

/// The weights of one component of a `.sana` file.
public final class ComponentSource: WeightSource {
  public let component: ComponentEntry
  let file: ModelFile
  private let tensors: [ExactString: TensorEntry]
  /// The tensors that were verified where the file is mapped.
  private let verified = Mutex<Set<ExactString>>([])

  init(file: ModelFile, component: ComponentEntry) {
    self.file = file
    self.component = component
    tensors = Dictionary(
      uniqueKeysWithValues: component.tensors.map { (ExactString($0.name), $0) })
  }

  public func description(of name: String) -> TensorDescription? { entry(name)?.description }

  /// Where the tensor's bytes are, and what was recorded about it.
  public func entry(_ name: String) -> TensorEntry? { tensors[ExactString(name)] }

  /// Reads and verifies a tensor. What lies raw in the file is used where it is mapped, and
  /// verified when it is first used; the rest is decoded on all cores.
  public func load(_ name: String) throws -> StoredTensor {
    let entry = try find(name)
    let isVerified = verified.withLock { $0.contains(ExactString(name)) }
    let tensor = StoredTensor(
      description: entry.description,
      values: try load(entry.values, of: name, isVerified: isVerified),
      scales: try entry.scales.map { try load($0, of: name, isVerified: isVerified) })
    if !isVerified { verified.withLock { _ = $0.insert(ExactString(name)) } }
    return tensor
  }

  public func mapsValues(of name: String) -> Bool { entry(name)?.values.isRaw ?? false }

  public func lendValues(
    of name: String, scales: UnsafeMutableBufferPointer<Float>, on loops: any LoopRunner
  ) throws -> TensorBytes? {
    let entry = try find(name)
    guard entry.values.isRaw else { return nil }
    try entry.description.checkRoom(scales: scales)
    let (values, mapping) = (entry.values, file.file)
    // It takes the pages back also when this fails.
    let lent = TensorBytes(mapping, values.offset..<values.end)
    let isVerified = verified.withLock { $0.contains(ExactString(name)) }
    let unverified = isVerified ? [] : values.chunks
    let scaleBytes = UnsafeMutableRawBufferPointer(scales)
    try loops.forEach(
      unverified.count + (entry.scales?.chunks.count ?? 0), scratch: ModelFile.ChunkScratch.init
    ) { index, scratch in
      guard index < unverified.count else {
        guard let plane = entry.scales else { return }
        return try file.read(
          chunk: index - unverified.count, of: plane, of: name, into: scaleBytes, scratch: scratch)
      }
      let chunk = unverified[index]
      let range = chunk.offset..<chunk.offset + chunk.storedByteCount
      try mapping.populate(range)
      guard checksum(mapping.bytes[range]) == chunk.checksum else {
        throw file.damaged(name, chunk: index, of: values)
      }
    }
    if !isVerified { verified.withLock { _ = $0.insert(ExactString(name)) } }
    return lent
  }

  /// - Throws: `.tensorMismatch` when there is no such tensor.
  func find(_ name: String) throws(SanaError) -> TensorEntry {
    guard let entry = entry(name) else {
      throw SanaError(
        .tensorMismatch, "tensor '\(name.abbreviated)' is missing from \(component.name)",
        remedy: "convert the checkpoint again", location: file.path)
    }
    return entry
  }

  /// - Parameter isVerified: whether what lies raw in the file need not be verified again.
  private func load(
    _ plane: PlaneEntry, of name: String, isVerified: Bool
  ) throws -> TensorBytes {
    let mapping = file.file
    if plane.isRaw {
      if !isVerified {
        try Parallel.forEach(plane.chunks.count) { index, _ in
          let chunk = plane.chunks[index]
          guard
            checksum(mapping.bytes[chunk.offset..<chunk.offset + chunk.storedByteCount])
              == chunk.checksum
          else { throw file.damaged(name, chunk: index, of: plane) }
        }
      }
      return TensorBytes(mapping, plane.offset..<plane.end)
    }
    return try TensorBytes(byteCount: plane.rawByteCount) { memory in
      nonisolated(unsafe) let memory = memory
      try Parallel.forEach(plane.chunks.count) { index, scratch in
        let chunk = plane.chunks[index]
        let stored = UnsafeRawBufferPointer(
          rebasing: mapping.bytes[chunk.offset..<chunk.offset + chunk.storedByteCount])
        let raw = UnsafeMutableRawBufferPointer(
          rebasing: memory[chunk.rawOffset..<chunk.rawOffset + chunk.rawByteCount])
        guard ChunkDecoding.decode(stored, of: chunk, into: raw, scratch: scratch) else {
          throw file.damaged(name, chunk: index, of: plane)
        }
        mapping.evict(chunk.offset..<chunk.offset + chunk.storedByteCount)
      }
    }
  }
}
