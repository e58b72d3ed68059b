internal import Support
internal import Synchronization

extension ModelFile {
  /// Reads and verifies ranges of a plane's raw bytes, one behind the other, through the file
  /// descriptor. A chunk is read once for all ranges that are in it.
  /// - Parameters:
  ///   - ranges: ascending.
  ///   - memory: as many bytes as the ranges have together.
  /// - Throws: `.corruptFile` when a chunk is not what was written; `.fileAccess`.
  func read(
    _ plane: PlaneEntry, ranges: some Sequence<Range<Int>>, of name: String,
    into memory: UnsafeMutableRawBufferPointer, scratch: ChunkScratch
  ) throws {
    var end = 0
    /// The chunk that `scratch` holds decoded.
    var current: (index: Int, raw: UnsafeMutableRawBufferPointer)?
    for range in ranges where !range.isEmpty {
      for index in plane.chunks.lastIndex(
        notAbove: range.lowerBound, \.rawOffset)..<plane.chunks.count
      {
        let chunk = plane.chunks[index]
        let chunkRange = chunk.rawOffset..<chunk.rawOffset + chunk.rawByteCount
        guard chunkRange.lowerBound < range.upperBound else { break }
        let wanted = chunkRange.clamped(to: range)
        let target = UnsafeMutableRawBufferPointer(
          rebasing: memory[end..<end + wanted.count])
        end += wanted.count
        if wanted == chunkRange, current?.index != index {
          try read(index, of: plane, of: name, into: target, scratch: scratch)
          continue
        }
        if current?.index != index {
          let raw = scratch.raw.bytes(count: chunk.rawByteCount)
          try read(index, of: plane, of: name, into: raw, scratch: scratch)
          current = (index, raw)
        }
        guard let raw = current?.raw else { continue }
        target.copyMemory(
          from: UnsafeRawBufferPointer(
            rebasing: raw[
              wanted.lowerBound - chunk.rawOffset..<wanted.upperBound - chunk.rawOffset]))
      }
    }
  }

  /// Reads, verifies and decodes a whole chunk to its place in memory for the whole plane.
  /// - Throws: `.corruptFile` when the chunk is not what was written; `.fileAccess`.
  func read(
    chunk index: Int, of plane: PlaneEntry, of name: String,
    into memory: UnsafeMutableRawBufferPointer, scratch: ChunkScratch
  ) throws {
    let chunk = plane.chunks[index]
    try read(
      index, of: plane, of: name,
      into: UnsafeMutableRawBufferPointer(
        rebasing: memory[chunk.rawOffset..<chunk.rawOffset + chunk.rawByteCount]),
      scratch: scratch)
  }

  /// Memory for reading chunks, which one thread uses again and again.
  struct ChunkScratch {
    /// A chunk as it stands in the file.
    fileprivate let stored = ScratchBuffer()
    /// The same chunk before it is unshuffled.
    fileprivate let filtered = ScratchBuffer()
    /// A whole chunk of which only a part is wanted.
    fileprivate let raw = ScratchBuffer()
  }

  /// Reads, verifies and decodes a whole chunk. A chunk that lies raw in the file goes straight to
  /// where it is wanted and is summed there, while it is still in the cache.
  private func read(
    _ index: Int, of plane: PlaneEntry, of name: String, into raw: UnsafeMutableRawBufferPointer,
    scratch: ChunkScratch
  ) throws {
    let chunk = plane.chunks[index]
    let isIntact: Bool
    if chunk.isRaw {
      try file.read(into: raw, at: chunk.offset)
      isIntact = checksum(UnsafeRawBufferPointer(raw)) == chunk.checksum
    } else {
      let stored = scratch.stored.bytes(count: chunk.storedByteCount)
      try file.read(into: stored, at: chunk.offset)
      isIntact = ChunkDecoding.decode(
        UnsafeRawBufferPointer(stored), of: chunk, into: raw, scratch: scratch.filtered)
    }
    guard isIntact else { throw damaged(name, chunk: index, of: plane) }
  }

  func damaged(_ name: String, chunk index: Int, of plane: PlaneEntry) -> SanaError {
    .corruptContainer(
      path,
      "chunk \(index + 1) of \(plane.chunks.count) of tensor '\(name.abbreviated)' (byte \(plane.chunks[index].offset))"
        + " is not what was written")
  }

  /// Checks what opening has left: all chunks against their checksums, decoded. Runs on all cores
  /// in bounded memory.
  ///
  /// - Parameter progress: told how many bytes are done and how many there are, from any thread, in
  ///   increasing order.
  /// - Throws: `.corruptFile` naming the first damage found; `.fileAccess`.
  public func verify(
    progress: @Sendable (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws {
    let planes = components.flatMap(\.tensors).flatMap { tensor in
      tensor.planes.map { (tensor: tensor.name, plane: $0) }
    }
    /// The number that each plane's first chunk has among all chunks, and behind them how many
    /// there are.
    var firstChunks = [0]
    for (_, plane) in planes { firstChunks.append((firstChunks.last ?? 0) + plane.chunks.count) }
    let chunkCount = firstChunks.removeLast()
    let total = byteCount
    let chunkBytes = planes.reduce(0) { $0 + $1.plane.chunks.reduce(0) { $0 + $1.storedByteCount } }
    let done = Mutex(total - chunkBytes)
    try Parallel.forEach(chunkCount, scratch: ChunkScratch.init) {
      [firstChunks] number, scratch in
      let owner = firstChunks.lastIndex(notAbove: number) { $0 }
      let (tensor, plane) = planes[owner]
      let index = number - firstChunks[owner]
      let chunk = plane.chunks[index]
      try read(
        index, of: plane, of: tensor, into: scratch.raw.bytes(count: chunk.rawByteCount),
        scratch: scratch)
      try done.withLock {
        $0 += chunk.storedByteCount
        try progress($0, total)
      }
    }
  }
}

extension Array {
  /// The last element whose key is not above `value`, or the first when all are: keys ascend.
  fileprivate func lastIndex(notAbove value: Int, _ key: (Element) -> Int) -> Int {
    var low = 0
    var high = count
    while high - low > 1 {
      let middle = (low + high) / 2
      if key(self[middle]) <= value { low = middle } else { high = middle }
    }
    return low
  }
}
