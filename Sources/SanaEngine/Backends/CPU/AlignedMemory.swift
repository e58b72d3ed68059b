internal import SanaGraph
internal import Support

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Pages from the system, zeroed, returned with the object. Unlike Swift's allocations they can be refused.
final class AlignedMemory {
  let bytes: UnsafeMutableRawBufferPointer

  /// - Throws: `SanaError` `.memoryLimit` when the system refuses.
  init(byteCount: Int, purpose: @autoclosure () -> String) throws {
    let mapped = mmap(
      nil, max(byteCount, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let mapped, mapped != MAP_FAILED else {
      throw SanaError(
        .memoryLimit, "the system refuses \(byteCount) bytes of memory for \(purpose())",
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
