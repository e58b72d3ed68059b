internal import Synchronization

extension ModelFile {
  /// Reads and verifies a range of a plane's raw bytes through the file descriptor, chunk by chunk.
  func read(
    _ plane: PlaneEntry, range: Range<Int>, of name: String,
    into memory: UnsafeMutableRawBufferPointer, scratch: ScratchBuffer, decodeScratch: ScratchBuffer
  ) throws {
    guard !range.isEmpty else { return }
    for index in plane.firstChunk(at: range.lowerBound)..<plane.chunks.count {
      let chunk = plane.chunks[index]
      let chunkRange = chunk.rawOffset..<chunk.rawOffset + chunk.rawByteCount
      guard chunkRange.lowerBound < range.upperBound else { return }
      let wanted = chunkRange.clamped(to: range)
      let target = UnsafeMutableRawBufferPointer(
        rebasing: memory[
          wanted.lowerBound - range.lowerBound..<wanted.upperBound - range.lowerBound])
      let whole = wanted == chunkRange
      let both = scratch.bytes(
        count: chunk.storedByteCount + (whole ? 0 : chunk.rawByteCount))
      let stored = UnsafeMutableRawBufferPointer(rebasing: both[..<chunk.storedByteCount])
      let raw =
        whole ? target : UnsafeMutableRawBufferPointer(rebasing: both[chunk.storedByteCount...])
      try file.read(into: stored, at: chunk.offset)
      guard
        ChunkDecoding.decode(
          UnsafeRawBufferPointer(stored), of: chunk, into: raw, scratch: decodeScratch)
      else { throw damaged(name, chunk: index, of: plane) }
      if !whole {
        target.copyMemory(
          from: UnsafeRawBufferPointer(
            rebasing: raw[
              wanted.lowerBound - chunk.rawOffset..<wanted.upperBound - chunk.rawOffset]))
      }
    }
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
    struct Piece {
      let tensor: String
      let plane: PlaneEntry
      let index: Int
    }
    var pieces: [Piece] = []
    for tensor in components.flatMap(\.tensors) {
      for plane in tensor.planes {
        pieces += plane.chunks.indices.map { Piece(tensor: tensor.name, plane: plane, index: $0) }
      }
    }
    let total = byteCount
    let done = Mutex(total - pieces.reduce(0) { $0 + $1.plane.chunks[$1.index].storedByteCount })
    try Parallel.forEach(pieces.count) { [pieces] number, scratch in
      let piece = pieces[number]
      let chunk = piece.plane.chunks[piece.index]
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
      guard isIntact else { throw damaged(piece.tensor, chunk: piece.index, of: piece.plane) }
      done.withLock {
        $0 += chunk.storedByteCount
        progress($0, total)
      }
    }
  }
}

extension PlaneEntry {
  /// The chunk that holds this raw byte.
  func firstChunk(at rawOffset: Int) -> Int {
    var low = 0
    var high = chunks.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if chunks[middle].rawOffset <= rawOffset { low = middle } else { high = middle }
    }
    return low
  }
}
