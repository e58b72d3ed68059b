import CKernels
import CLZ4

/// A chunk ready to be written.
struct EncodedChunk: Sendable {
  let bytes: TensorBytes
  let rawByteCount: Int
  let filter: ChunkFilter
  let codec: ChunkCodec
  let checksum: UInt64
}

enum ChunkCoding {
  /// Bytes of most chunks before compression: small enough for a core's second-level cache, large enough that the
  /// directory and the loss at its edges do not matter.
  static let targetByteCount = 1 << 20

  /// A chunk that keeps more than this share of its bytes is stored as it is: mapping it costs nothing, decoding does.
  static let largestWorthwhileShare = (numerator: 7, denominator: 8)

  /// Cuts bytes into chunks and compresses each if that pays. Only a single row longer than the target is cut; the writer's
  /// bands of more rows are no longer than that.
  static func encode(_ bytes: TensorBytes, elementByteCount: Int?) -> [EncodedChunk] {
    let count = bytes.bytes.count
    return stride(from: 0, to: count, by: targetByteCount).map { begin in
      encode(
        bytes, range: begin..<min(begin + targetByteCount, count),
        elementByteCount: elementByteCount)
    }
  }

  /// Compresses a chunk if that pays.
  /// - Parameters:
  ///   - raw: whoever keeps these bytes alive; a chunk that is stored shares them.
  ///   - elementByteCount: the unit of the bitshuffle filter; `nil` for none.
  private static func encode(
    _ raw: TensorBytes, range: Range<Int>, elementByteCount: Int?
  ) -> EncodedChunk {
    let bytes = UnsafeRawBufferPointer(rebasing: raw.bytes[range])
    let filter: ChunkFilter = elementByteCount.map { .bitshuffle(elementByteCount: $0) } ?? .none
    if let compressed = compress(bytes, filter: filter) {
      return EncodedChunk(
        bytes: compressed, rawByteCount: bytes.count, filter: filter, codec: .lz4,
        checksum: checksum(compressed.bytes))
    }
    // The closure keeps the larger allocation alive.
    let shared = TensorBytes(bytes, release: { _ = raw })
    return EncodedChunk(
      bytes: shared, rawByteCount: bytes.count, filter: .none, codec: .stored,
      checksum: checksum(bytes))
  }

  private static func compress(_ bytes: UnsafeRawBufferPointer, filter: ChunkFilter) -> TensorBytes?
  {
    let capacity =
      bytes.count * largestWorthwhileShare.numerator / largestWorthwhileShare.denominator
    guard capacity > 0 else { return nil }
    let scratch = UnsafeMutableRawBufferPointer.allocate(
      byteCount: bytes.count + capacity, alignment: 64)
    let compressed = UnsafeMutableRawBufferPointer(rebasing: scratch[bytes.count...])
    let source: UnsafeRawBufferPointer
    switch filter {
    case .none: source = bytes
    case .bitshuffle(let elementByteCount):
      sana_bitshuffle(bytes.baseAddress, scratch.baseAddress, bytes.count, elementByteCount)
      source = UnsafeRawBufferPointer(rebasing: scratch[..<bytes.count])
    }
    let count = LZ4_compress_default(
      source.baseAddress, compressed.baseAddress, Int32(source.count), Int32(capacity))
    guard count > 0 else {
      scratch.deallocate()
      return nil
    }
    nonisolated(unsafe) let owned = scratch
    return TensorBytes(
      UnsafeRawBufferPointer(rebasing: compressed[..<Int(count)]),
      release: { owned.deallocate() })
  }

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
    LZ4_decompress_safe(
      block.baseAddress, raw.baseAddress, Int32(block.count), Int32(raw.count)) == raw.count
  }
}
