internal import SanaGraph
internal import Support

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Pages from the system, zeroed, counted by the device's ledger, returned with the object. Unlike
/// Swift's allocations they can be refused.
final class AlignedMemory {
  let bytes: UnsafeMutableRawBufferPointer
  private let claim: MemoryClaim

  /// - Parameter what: the memory's use, for people.
  /// - Throws: `SanaError` `.memoryLimit` when the ledger or the system refuses.
  init(
    byteCount: Int, _ purpose: MemoryLedger.Purpose, of ledger: MemoryLedger,
    _ what: @autoclosure () -> String
  ) throws {
    claim = try ledger.claim(byteCount, for: purpose, what())
    let mapped = mmap(
      nil, max(byteCount, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let mapped, mapped != MAP_FAILED else {
      throw SanaError(
        .memoryLimit, "the system refuses \(byteCount) bytes of memory for \(what())",
        remedy:
          "raise the limit on memory (ulimit -v), close other programs, or ask for a smaller picture"
      )
    }
    // Fewer, larger pages: strided kernels touch many at a time. Only advice, so failure is no matter.
    madvise(mapped, byteCount, Int32(MADV_HUGEPAGE))
    bytes = UnsafeMutableRawBufferPointer(start: mapped, count: byteCount)
  }

  deinit { munmap(bytes.baseAddress, max(bytes.count, 1)) }

  var start: UnsafeMutableRawPointer {
    // mmap never returns the null page.
    bytes.baseAddress!
  }
}

/// Working memory that the graphs of a model use in turn.
final class CPUWorkspace {
  private let ledger: MemoryLedger
  private var memory: AlignedMemory?

  init(ledger: MemoryLedger) { self.ledger = ledger }

  /// Makes sure that there are so many bytes. What the memory held may be lost.
  func reserve(_ byteCount: Int, _ what: @autoclosure () -> String) throws {
    guard memory?.bytes.count ?? 0 < byteCount else { return }
    memory = nil
    memory = try AlignedMemory(byteCount: byteCount, .arena, of: ledger, what())
  }

  func release() { memory = nil }

  /// - Precondition: something was reserved.
  var start: UnsafeMutableRawPointer {
    guard let memory else { preconditionFailure("the workspace was not reserved") }
    return memory.start
  }
}
