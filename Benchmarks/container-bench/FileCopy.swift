import Support

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

enum FileCopy {
  /// What `cp` and `sync` do: the bytes through a buffer, then to the disk.
  static func copy(_ path: String, to target: String) throws {
    let source = try MappedFile(path: path)
    let copy = try ReplacementFile(path: target)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
    defer { memory.deallocate() }
    for offset in stride(from: 0, to: source.byteCount, by: memory.count) {
      let piece = UnsafeMutableRawBufferPointer(
        rebasing: memory[..<min(memory.count, source.byteCount - offset)])
      try source.read(into: piece, at: offset)
      try copy.write(UnsafeRawBufferPointer(piece), at: offset)
    }
    try copy.commit()
  }
}

enum FileRemoval {
  static func remove(_ path: String) { unlink(path) }
}
