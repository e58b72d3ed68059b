internal import Synchronization

extension ModelFile {
  /// Reads and verifies ranges of a plane's raw bytes, one behind the other, through the file descriptor. A chunk is read once for all
  /// ranges that are in it.
  /// - Parameters:
  ///   - ranges: ascending.
  ///   - memory: as many bytes as the ranges have together.
  /// - Throws: `.corruptFile` when a chunk is not what was written; `.fileAccess`.
  func read(
    _ plane: PlaneEntry, ranges: some Sequence<Range<Int>>, of name: String,
    into memory: UnsafeMutableRawBufferPointer, scratch: PartScratch
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

  /// Memory for reading parts of planes.
  struct PartScratch {
    fileprivate let stored = ScratchBuffer()
    fileprivate let raw = ScratchBuffer()
    fileprivate let decoding = ScratchBuffer()
  }

  /// Reads and verifies a whole chunk.
  private func read(
    _ index: Int, of plane: PlaneEntry, of name: String, into raw: UnsafeMutableRawBufferPointer,
    scratch: PartScratch
  ) throws {
    let chunk = plane.chunks[index]
    let stored = scratch.stored.bytes(count: chunk.storedByteCount)
    try file.read(into: stored, at: chunk.offset)
    guard
      ChunkDecoding.decode(
        UnsafeRawBufferPointer(stored), of: chunk, into: raw, scratch: scratch.decoding)
    else { throw damaged(name, chunk: index, of: plane) }
  }

  func damaged(_ name: String, chunk index: Int, of plane: PlaneEntry) -> SanaError {
    .corruptContainer(
      path,
      "chunk \(index + 1) of \(plane.chunks.count) of tensor '\(name)' (byte \(plane.chunks[index].offset))"
        + " is not what was written")
  }

  /// Checks what opening has left: all chunks against their checksums, decoded. Runs on all cores in bounded memory.
  ///
  /// - Parameter progress: told how many bytes are done and how many there are, from any thread, in increasing order.
  /// - Throws: `.corruptFile` naming the first damage found; `.fileAccess`.
  public func verify(progress: @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }) throws {
    let planes = components.flatMap(\.tensors).flatMap { tensor in
      tensor.planes.map { (tensor: tensor.name, plane: $0) }
    }
    /// The number that each plane's first chunk has among all chunks, and behind them how many there are.
    var firstChunks = [0]
    for (_, plane) in planes { firstChunks.append((firstChunks.last ?? 0) + plane.chunks.count) }
    let chunkCount = firstChunks.removeLast()
    let total = byteCount
    let chunkBytes = planes.reduce(0) { $0 + $1.plane.chunks.reduce(0) { $0 + $1.storedByteCount } }
    let done = Mutex(total - chunkBytes)
    try Parallel.forEach(chunkCount) { [firstChunks] number, scratch in
      let owner = firstChunks.lastIndex(notAbove: number) { $0 }
      let (tensor, plane) = planes[owner]
      let index = number - firstChunks[owner]
      let chunk = plane.chunks[index]
      let decodeScratch = ScratchBuffer()
      let both = scratch.bytes(count: chunk.storedByteCount + chunk.rawByteCount)
      let stored = UnsafeMutableRawBufferPointer(rebasing: both[..<chunk.storedByteCount])
      let raw = UnsafeMutableRawBufferPointer(rebasing: both[chunk.storedByteCount...])
      try file.read(into: stored, at: chunk.offset)
      let isIntact =
        if chunk.isRaw { checksum(UnsafeRawBufferPointer(stored)) == chunk.checksum } else {
          ChunkDecoding.decode(
            UnsafeRawBufferPointer(stored), of: chunk, into: raw, scratch: decodeScratch)
        }
      guard isIntact else { throw damaged(tensor, chunk: index, of: plane) }
      done.withLock {
        $0 += chunk.storedByteCount
        progress($0, total)
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
