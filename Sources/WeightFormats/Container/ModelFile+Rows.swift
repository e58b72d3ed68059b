extension ModelFile {
  /// Reads and verifies rows of a plane through the file descriptor. A chunk is read once for all the rows in it.
  ///
  /// - Parameters:
  ///   - rows: ascending.
  ///   - memory: `rows.count * rowByteCount` bytes.
  /// - Throws: `.corruptFile` when a chunk is not what was written; `.fileAccess`.
  func read(
    _ plane: PlaneEntry, rows: ArraySlice<Int>, rowByteCount: Int, of name: String,
    into memory: UnsafeMutableRawBufferPointer
  ) throws {
    // Swift 6.3 frees scratch buffers that it has not made where there are no rows.
    guard !rows.isEmpty else { return }
    let (storedScratch, rawScratch, decodeScratch) = (
      ScratchBuffer(), ScratchBuffer(), ScratchBuffer()
    )
    var current: (index: Int, raw: UnsafeMutableRawBufferPointer)?
    for (position, row) in rows.enumerated() where rowByteCount > 0 {
      let range = row * rowByteCount..<(row + 1) * rowByteCount
      var index = plane.firstChunk(at: range.lowerBound)
      while index < plane.chunks.count, plane.chunks[index].rawOffset < range.upperBound {
        let chunk = plane.chunks[index]
        if current?.index != index {
          let stored = storedScratch.bytes(count: chunk.storedByteCount)
          let raw = rawScratch.bytes(count: chunk.rawByteCount)
          try file.read(into: stored, at: chunk.offset)
          guard
            ChunkDecoding.decode(
              UnsafeRawBufferPointer(stored), of: chunk, into: raw, scratch: decodeScratch)
          else { throw damaged(name, chunk: index, of: plane) }
          current = (index, raw)
        }
        let part = (chunk.rawOffset..<chunk.rawOffset + chunk.rawByteCount).clamped(to: range)
        if let current {
          let target = position * rowByteCount + part.lowerBound - range.lowerBound
          UnsafeMutableRawBufferPointer(rebasing: memory[target..<target + part.count])
            .copyMemory(
              from: UnsafeRawBufferPointer(
                rebasing: current.raw[
                  part.lowerBound - chunk.rawOffset..<part.upperBound - chunk.rawOffset]))
        }
        index += 1
      }
    }
  }
}
