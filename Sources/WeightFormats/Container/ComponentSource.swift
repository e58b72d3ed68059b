internal import Synchronization

/// The weights of one component of a `.sana` file.
public final class ComponentSource: WeightSource {
  public let component: ComponentEntry
  private let file: ModelFile
  private let tensors: [ExactString: TensorEntry]
  /// The tensors that were verified.
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

  /// Reads and verifies a tensor. What lies raw in the file is used where it is mapped, and verified when it is first used; the rest is
  /// decoded on all cores.
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

  /// Reads and verifies some rows of a tensor, without mapping them: memory does not grow with the tensor.
  /// - Parameters:
  ///   - rows: within `0..<description.rows`.
  ///   - values: receives the codes or plain values of these rows.
  ///   - scales: receives their scales; empty where the encoding has none.
  public func read(
    _ name: String, rows: Range<Int>, into values: UnsafeMutableRawBufferPointer,
    scales: UnsafeMutableBufferPointer<Float>
  ) throws {
    let entry = try find(name)
    let description = entry.description
    let valueBytes = description.valueByteCount / max(description.rows, 1)
    let scaleBytes = description.scaleCount / max(description.rows, 1) * 4
    guard rows.lowerBound >= 0, rows.upperBound <= description.rows,
      values.count == rows.count * valueBytes, scales.count * 4 == rows.count * scaleBytes
    else {
      throw SanaError(
        .invalidArgument,
        "rows \(rows) of tensor '\(name.abbreviated)' do not fit the memory given for them",
        remedy: "ask for rows that the tensor has", location: file.path)
    }
    let scratch = ModelFile.ChunkScratch()
    func read(_ plane: PlaneEntry, _ rowBytes: Int, into memory: UnsafeMutableRawBufferPointer)
      throws
    {
      try file.read(
        plane, ranges: CollectionOfOne(rows.lowerBound * rowBytes..<rows.upperBound * rowBytes),
        of: name, into: memory, scratch: scratch)
    }
    try read(entry.values, valueBytes, into: values)
    if let plane = entry.scales {
      try read(plane, scaleBytes, into: UnsafeMutableRawBufferPointer(scales))
    }
  }

  /// Reads and verifies some rows, on all cores: only the chunks that hold them, each once.
  public func loadRows(_ rows: [Int], of name: String) throws -> StoredTensor {
    let entry = try find(name)
    let description = entry.description
    guard rows.allSatisfy({ 0..<description.rows ~= $0 }) else {
      throw SanaError(
        .invalidArgument, "tensor '\(name.abbreviated)' has only \(description.rows) rows",
        remedy: "ask for rows that the tensor has", location: file.path)
    }
    let distinct = Set(rows).sorted()
    var part = description
    part.shape = [distinct.count] + description.shape.dropFirst()
    func load(_ plane: PlaneEntry, byteCount: Int) throws -> TensorBytes {
      try TensorBytes(byteCount: byteCount) { memory in
        nonisolated(unsafe) let memory = memory
        let rowByteCount = plane.rawByteCount / max(description.rows, 1)
        let share = max((distinct.count + Parallel.coreCount - 1) / Parallel.coreCount, 1)
        try Parallel.forEach((distinct.count + share - 1) / share) { index, _ in
          let range = index * share..<min((index + 1) * share, distinct.count)
          try file.read(
            plane,
            ranges: distinct[range].lazy.map { $0 * rowByteCount..<($0 + 1) * rowByteCount },
            of: name,
            into: UnsafeMutableRawBufferPointer(
              rebasing: memory[
                range.lowerBound * rowByteCount..<range.upperBound * rowByteCount]),
            scratch: ModelFile.ChunkScratch())
        }
      }
    }
    let tensor = StoredTensor(
      description: part, values: try load(entry.values, byteCount: part.valueByteCount),
      scales: try entry.scales.map {
        try load($0, byteCount: part.scaleCount * MemoryLayout<Float>.size)
      })
    let places = Dictionary(
      uniqueKeysWithValues: distinct.enumerated().map { ($0.element, $0.offset) })
    return tensor.picking(rows.compactMap { places[$0] })
  }

  private func find(_ name: String) throws(SanaError) -> TensorEntry {
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
