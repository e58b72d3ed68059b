#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A regular file mapped read-only into memory for as long as the object lives.
public final class MappedFile: @unchecked Sendable {
  // Sendable: the mapping is read-only and never changes after `init`.
  public let path: String
  /// The whole file; empty for an empty file.
  public let bytes: UnsafeRawBufferPointer

  public var byteCount: Int { bytes.count }

  /// `nil` for bytes in memory.
  private let descriptor: Int32?

  /// - Throws: `.fileAccess` when the file cannot be opened, is no regular file, or cannot be
  ///   mapped.
  public init(path: String) throws(SanaError) {
    // A pipe that nobody writes to would be waited for before it can be refused.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let code = errno
      throw .danglingLink(path) ?? .fileAccess(path, cannotBe: "opened", errno: code)
    }
    var keepsDescriptor = false
    defer { if !keepsDescriptor { close(descriptor) } }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .fileAccess(path, cannotBe: "examined", errno: errno)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw SanaError(
        .fileAccess, "is not a regular file", remedy: "name a file on a disk", location: path)
    }
    let byteCount = Int(status.st_size)
    self.path = path
    self.descriptor = descriptor
    if byteCount == 0 {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      keepsDescriptor = true
      return
    }
    guard let address = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0),
      address != MAP_FAILED
    else { throw .fileAccess(path, cannotBe: "mapped", errno: errno) }
    bytes = UnsafeRawBufferPointer(start: address, count: byteCount)
    keepsDescriptor = true
  }

  /// Bytes in memory in place of a file: for tests and fuzzers, whose tools see a step outside of
  /// an allocation but not one outside of a file on its last page.
  package init(contents: [UInt8], path: String) {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: contents.count, alignment: 1)
    memory.copyBytes(from: contents)
    bytes = UnsafeRawBufferPointer(memory)
    descriptor = nil
    self.path = path
  }

  /// Copies bytes of the file without touching the mapping, whose pages would count as this
  /// program's memory.
  /// - Throws: `.fileAccess`; `.corruptFile` when the file has become shorter.
  package func read(into memory: UnsafeMutableRawBufferPointer, at offset: Int) throws(SanaError) {
    guard let descriptor else {
      return memory.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + memory.count]))
    }
    var done = 0
    while done < memory.count {
      let count = pread(
        descriptor, memory.baseAddress! + done, memory.count - done, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw .fileAccess(path, cannotBe: "read", errno: errno)
      }
      if count == 0 {
        throw SanaError(
          .corruptFile, "has become shorter while it was read",
          remedy: "do not change it meanwhile",
          location: path)
      }
      done += count
    }
  }

  /// Maps the pages of these bytes, read from the disk where need be, with one call. Touching them
  /// afterwards cannot fail, where a page that cannot be read would end the program.
  /// - Throws: `.fileAccess` when the disk fails or the file has become shorter.
  package func populate(_ range: Range<Int>) throws(SanaError) {
    let begin = range.lowerBound / Self.pageSize * Self.pageSize
    guard let address = bytes.baseAddress, begin < range.upperBound else { return }
    let result = madvise(
      UnsafeMutableRawPointer(mutating: address + begin), range.upperBound - begin,
      Self.populateRead)
    // Kernels before 5.14 do not know the request; there the bytes are read when they are touched.
    guard result != 0, errno == EFAULT || errno == EHWPOISON else { return }
    throw SanaError(
      .fileAccess, "cannot be read: the disk fails, or the file has become shorter",
      remedy: "check the disk, and do not change the file meanwhile", location: path)
  }

  private static let pageSize = sysconf(Int32(_SC_PAGESIZE))
  /// `MADV_POPULATE_READ` of Linux 5.14.
  private static let populateRead: Int32 = 22

  /// Takes the pages of these bytes out of this program's memory. The file has them still: a byte
  /// that is touched again comes back, so that pages beside the range can go too: those that the
  /// system has mapped along with its own.
  package func evict(_ range: Range<Int>) {
    guard descriptor != nil, let address = bytes.baseAddress, !range.isEmpty else { return }
    let start = Int(bitPattern: address)
    let begin = max((start + range.lowerBound) / Self.faultAround * Self.faultAround, start)
    let end = min(
      (start + range.upperBound + Self.faultAround - 1) / Self.faultAround * Self.faultAround,
      start + bytes.count)
    // A system that refuses keeps the pages, which costs memory and nothing else.
    madvise(UnsafeMutableRawPointer(bitPattern: begin), end - begin, Int32(MADV_DONTNEED))
  }

  /// Where one page is touched, Linux maps those around it too that are in memory, up to addresses
  /// that are multiples of this many bytes.
  private static let faultAround = max(1 << 16, pageSize)

  deinit {
    guard let descriptor else { return bytes.deallocate() }
    close(descriptor)
    if let address = bytes.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: address), bytes.count)
    }
  }
}

extension MappedFile {
  /// Whether these bytes, which are few, are all zero. Reads them without touching the mapping.
  package func isZero(_ range: Range<Int>) throws(SanaError) -> Bool {
    guard !range.isEmpty else { return true }
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: range.count, alignment: 1)
    defer { memory.deallocate() }
    try read(into: memory, at: range.lowerBound)
    return memory.allSatisfy { $0 == 0 }
  }
}
