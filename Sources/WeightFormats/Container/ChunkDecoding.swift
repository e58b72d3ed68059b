import CKernels
import CLZ4
import Support

/// Reading chunks back.
enum ChunkDecoding {
  /// Verifies a chunk and writes its raw bytes.
  /// - Parameters:
  ///   - stored: `chunk.storedByteCount` bytes.
  ///   - raw: `chunk.rawByteCount` bytes, not overlapping `stored`.
  ///   - scratch: used by chunks that are filtered; grows as needed.
  /// - Returns: false when the checksum disagrees or the bytes are no LZ4 block of the right size.
  static func decode(
    _ stored: UnsafeRawBufferPointer, of chunk: ChunkEntry, into raw: UnsafeMutableRawBufferPointer,
    scratch: ScratchBuffer
  ) -> Bool {
    guard checksum(stored) == chunk.checksum else { return false }
    let unpacked: UnsafeRawBufferPointer
    switch (chunk.codec, chunk.filter) {
    case (.stored, .none):
      raw.copyMemory(from: stored)
      return true
    case (.stored, .bitshuffle): unpacked = stored
    case (.lz4, .none): return unpack(stored, into: raw)
    case (.lz4, .bitshuffle):
      let filtered = scratch.bytes(count: raw.count)
      guard unpack(stored, into: filtered) else { return false }
      unpacked = UnsafeRawBufferPointer(filtered)
    }
    if case .bitshuffle(let elementByteCount) = chunk.filter {
      sana_bitunshuffle(unpacked.baseAddress, raw.baseAddress, raw.count, elementByteCount)
    }
    return true
  }

  private static func unpack(
    _ block: UnsafeRawBufferPointer, into raw: UnsafeMutableRawBufferPointer
  ) -> Bool {
    LZ4Block.isWellFormed(block, rawByteCount: raw.count)
      && LZ4_decompress_safe(
        block.baseAddress, raw.baseAddress, Int32(block.count), Int32(raw.count)) == raw.count
  }
}
