import CKernels
import CLZ4
import Support

/// A chunk ready to be written.
struct EncodedChunk: Sendable {
  let bytes: TensorBytes
  let rawByteCount: Int
  let filter: ChunkFilter
  let codec: ChunkCodec
  let checksum: UInt64
}

/// Cuts the bytes of planes into chunks and compresses those that gain by it.
struct ChunkEncoder: Sendable {
  /// Bytes of most chunks before compression: small enough for a core's second-level cache, large
  /// enough that the directory and the loss at its edges do not matter.
  static let targetByteCount = 1 << 20

  /// A part of a chunk that is compressed first: if it shrinks by far too little, the rest is not
  /// tried.
  private static let probeByteCount = 64 << 10

  let compression: ContainerCompression
  let times: StageTimes

  /// Cuts bytes into chunks and compresses each if that pays. Only a single row longer than the
  /// target is cut; the writer's bands of more rows are no longer than that.
  /// - Parameters:
  ///   - bytes: stay alive with the chunks that are stored as they are.
  ///   - elementByteCount: the unit of the bitshuffle filter; `nil` for none.
  func encode(_ bytes: TensorBytes, elementByteCount: Int?) -> [EncodedChunk] {
    let count = bytes.bytes.count
    return stride(from: 0, to: count, by: Self.targetByteCount).map { begin in
      encode(
        bytes, range: begin..<min(begin + Self.targetByteCount, count),
        filter: elementByteCount.map { .bitshuffle(elementByteCount: $0) } ?? .none)
    }
  }

  private func encode(
    _ raw: TensorBytes, range: Range<Int>, filter: ChunkFilter
  ) -> EncodedChunk {
    let bytes = UnsafeRawBufferPointer(rebasing: raw.bytes[range])
    let compressed = times.measure(.compress, byteCount: bytes.count) {
      compress(bytes, filter: filter)
    }
    // The closure keeps the larger allocation alive.
    let stored = compressed ?? TensorBytes(bytes, release: { _ = raw })
    return EncodedChunk(
      bytes: stored, rawByteCount: bytes.count, filter: compressed == nil ? .none : filter,
      codec: compressed == nil ? .stored : .lz4,
      checksum: times.measure(.checksum, byteCount: stored.bytes.count) { checksum(stored.bytes) })
  }

  /// - Returns: `nil` for a chunk that does not shrink enough.
  private func compress(_ bytes: UnsafeRawBufferPointer, filter: ChunkFilter) -> TensorBytes? {
    let capacity = compression.largestByteCount(of: bytes.count)
    guard capacity > 0 else { return nil }
    let scratch = UnsafeMutableRawBufferPointer.allocate(
      byteCount: bytes.count + capacity, alignment: 64)
    let filtered = UnsafeMutableRawBufferPointer(rebasing: scratch[..<bytes.count])
    let compressed = UnsafeMutableRawBufferPointer(rebasing: scratch[bytes.count...])
    if bytes.count >= 4 * Self.probeByteCount {
      // From the middle, at a multiple of every element's size. A part shrinks a little less than
      // the whole.
      let begin = bytes.count / 2 / 16 * 16
      let part = UnsafeRawBufferPointer(
        rebasing: bytes[begin..<begin + Self.probeByteCount])
      let enough =
        compression.largestByteCount(of: Self.probeByteCount) + Self.probeByteCount / 16
      guard Self.compress(part, filter: filter, by: filtered, to: compressed, atMost: enough) != nil
      else {
        scratch.deallocate()
        return nil
      }
    }
    guard
      let count = Self.compress(
        bytes, filter: filter, by: filtered, to: compressed, atMost: capacity)
    else {
      scratch.deallocate()
      return nil
    }
    nonisolated(unsafe) let owned = scratch
    return TensorBytes(
      UnsafeRawBufferPointer(rebasing: compressed[..<count]), release: { owned.deallocate() })
  }

  /// Filters and compresses bytes.
  /// - Parameters:
  ///   - filtered: at least as long as `bytes`.
  ///   - limit: at most the length of `compressed`.
  /// - Returns: bytes written to `compressed`; `nil` when they would be more than `limit`.
  private static func compress(
    _ bytes: UnsafeRawBufferPointer, filter: ChunkFilter,
    by filtered: UnsafeMutableRawBufferPointer, to compressed: UnsafeMutableRawBufferPointer,
    atMost limit: Int
  ) -> Int? {
    let source: UnsafeRawPointer?
    switch filter {
    case .none: source = bytes.baseAddress
    case .bitshuffle(let elementByteCount):
      sana_bitshuffle(bytes.baseAddress, filtered.baseAddress, bytes.count, elementByteCount)
      source = UnsafeRawPointer(filtered.baseAddress)
    }
    let count = LZ4_compress_default(
      source, compressed.baseAddress, Int32(bytes.count), Int32(min(limit, compressed.count)))
    return count > 0 ? Int(count) : nil
  }
}
