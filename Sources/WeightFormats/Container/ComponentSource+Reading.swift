public import Support

/// Reading without the mapping.
extension ComponentSource {
  /// Reads, verifies and decodes a tensor chunk by chunk through the file descriptor: the mapping
  /// is not touched, so that nothing but the caller's memory and the workers' scratch counts as
  /// this program's memory. Every reading is verified. Chunks that lie raw in the file go straight
  /// to where they are wanted.
  ///
  /// A worker takes `readingScratchBytes(of:)` at most: less than twice the raw bytes of the
  /// largest chunk, which are about 1 MiB in files of this toolchain and 16 MiB at most
  /// (`ContainerLimits.chunkByteCount`).
  public func read(
    _ name: String, into values: UnsafeMutableRawBufferPointer,
    scales: UnsafeMutableBufferPointer<Float>, on loops: any LoopRunner
  ) throws {
    let entry = try find(name)
    try entry.description.checkRoom(values: values, scales: scales)
    let scaleBytes = UnsafeMutableRawBufferPointer(scales)
    let valueChunks = entry.values.chunks.count
    try loops.forEach(
      valueChunks + (entry.scales?.chunks.count ?? 0), scratch: ModelFile.ChunkScratch.init
    ) { index, scratch in
      if index < valueChunks {
        try file.read(chunk: index, of: entry.values, of: name, into: values, scratch: scratch)
      } else if let plane = entry.scales {
        try file.read(
          chunk: index - valueChunks, of: plane, of: name, into: scaleBytes, scratch: scratch)
      }
    }
  }

  /// The memory for a chunk as it stands in the file, and for one that is unpacked but not yet
  /// unshuffled; none for chunks that lie raw in the file.
  public func readingScratchBytes(of name: String) -> Int {
    guard let entry = entry(name) else { return 0 }
    let chunks = entry.planes.lazy.flatMap(\.chunks)
    let stored = chunks.map { $0.isRaw ? 0 : $0.storedByteCount }.max() ?? 0
    let filtered = chunks.map { $0.codec == .lz4 && $0.filter != .none ? $0.rawByteCount : 0 }.max()
    return stored + (filtered ?? 0)
  }

  /// Reads and verifies some rows of a tensor through the file descriptor, so that memory does not
  /// grow with the tensor.
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

  /// Reads and verifies some rows: only the chunks that hold them, each once, through the file
  /// descriptor. A worker takes at most `readingScratchBytes(of:)` and the raw bytes of the largest
  /// chunk.
  public func loadRows(
    _ rows: [Int], of name: String, on loops: any LoopRunner
  ) throws -> StoredTensor {
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
        let rowByteCount = plane.rawByteCount / max(description.rows, 1)
        let share = max((distinct.count + loops.workers - 1) / loops.workers, 1)
        try loops.forEach(
          (distinct.count + share - 1) / share, scratch: ModelFile.ChunkScratch.init
        ) { index, scratch in
          let range = index * share..<min((index + 1) * share, distinct.count)
          try file.read(
            plane,
            ranges: distinct[range].lazy.map { $0 * rowByteCount..<($0 + 1) * rowByteCount },
            of: name,
            into: UnsafeMutableRawBufferPointer(
              rebasing: memory[
                range.lowerBound * rowByteCount..<range.upperBound * rowByteCount]),
            scratch: scratch)
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
}
