internal import CKernels
internal import Synchronization

/// SHA-256 (FIPS 180-4), fed piece by piece.
package struct SHA256 {
  private static let blockByteCount = 64

  private var state: [UInt32] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab,
    0x5be0_cd19,
  ]
  private var byteCount = 0
  /// Bytes that do not fill a block yet.
  private var rest: [UInt8] = []
  private let isPortable: Bool

  /// - Parameter isPortable: whether to leave the processor's SHA instructions aside.
  package init(isPortable: Bool = false) { self.isPortable = isPortable }

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    byteCount += bytes.count
    var bytes = bytes
    if !rest.isEmpty {
      let missing = min(Self.blockByteCount - rest.count, bytes.count)
      rest += bytes[..<missing]
      bytes = UnsafeRawBufferPointer(rebasing: bytes[missing...])
      guard rest.count == Self.blockByteCount else { return }
      rest.withUnsafeBytes { sana_sha256_blocks(&state, $0.baseAddress, 1, isPortable) }
      rest.removeAll(keepingCapacity: true)
    }
    let blocks = bytes.count / Self.blockByteCount
    sana_sha256_blocks(&state, bytes.baseAddress, blocks, isPortable)
    rest += bytes[(blocks * Self.blockByteCount)...]
  }

  /// Ends the message: the digest of all that was fed, as 64 lower-case hexadecimal digits.
  package mutating func finish() -> String {
    var padding: [UInt8] = [0x80]
    let end = (byteCount + 1) % Self.blockByteCount
    padding += repeatElement(0, count: (Self.blockByteCount + 56 - end) % Self.blockByteCount)
    padding += withUnsafeBytes(of: UInt64(byteCount * 8).bigEndian) { Array($0) }
    padding.withUnsafeBytes { update($0) }
    return state.map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 8 - digits.count) + digits
    }.joined()
  }
}

/// SHA-256 of files, made beside other work.
///
/// Dropping the object stops it.
package final class FileDigests: Sendable {
  private final class Work: Sendable {
    let isStopped = Atomic(false)
    let result = Mutex<Result<[String], any Error>>(.success([]))
  }

  /// Stays in a core's second-level cache.
  private static let blockByteCount = 256 << 10
  private let work = Work()
  private let compute: @Sendable () -> Void
  /// `nil` where the system refuses another thread: then the digests are made when they are asked
  /// for.
  private let thread: WorkerThread?

  /// Begins with the files in their order, on half of the cores.
  package init(_ paths: [String], times: StageTimes) {
    compute = { [work] in
      let digests = Mutex([String](repeating: "", count: paths.count))
      let result = Result {
        try Parallel.forEach(paths.count, workers: max(Parallel.coreCount / 2, 1)) {
          index, scratch in
          let digest = try Self.digest(
            of: paths[index], scratch: scratch, times: times, unless: work.isStopped)
          digests.withLock { $0[index] = digest }
        }
        return digests.withLock { $0 }
      }
      work.result.withLock { $0 = result }
    }
    thread = WorkerThread(compute)
  }

  deinit { work.isStopped.store(true, ordering: .relaxed) }

  /// Waits for the digests, in the order of the paths.
  /// - Throws: `.fileAccess`, `.corruptFile` for a file that became shorter.
  package func values() throws -> [String] {
    if let thread { thread.join() } else { compute() }
    return try work.result.withLock { $0 }.get()
  }

  private static func digest(
    of path: String, scratch: ScratchBuffer, times: StageTimes,
    unless isStopped: borrowing Atomic<Bool>
  ) throws -> String {
    let file = try MappedFile(path: path)
    var hash = SHA256()
    for begin in stride(from: 0, to: file.byteCount, by: blockByteCount) {
      guard !isStopped.load(ordering: .relaxed) else { throw CancellationError() }
      let block = scratch.bytes(count: min(blockByteCount, file.byteCount - begin))
      try times.measure(.digest, byteCount: block.count) {
        try file.read(into: block, at: begin)
        hash.update(UnsafeRawBufferPointer(block))
      }
    }
    return hash.finish()
  }
}
