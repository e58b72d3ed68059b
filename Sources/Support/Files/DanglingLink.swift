#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

extension FileSystem {
  /// What a symbolic link names that leads nowhere; `nil` for everything else.
  package static func danglingTarget(of path: String) -> String? {
    var status = stat()
    guard stat(path, &status) != 0, errno != EACCES else { return nil }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Int(PATH_MAX)) { buffer in
      let count = buffer.withMemoryRebound(to: CChar.self) {
        readlink(path, $0.baseAddress!, $0.count)
      }
      return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
    }
  }
}

extension SanaError {
  /// What to say of a link that leads nowhere, or `nil` where there is none.
  package static func danglingLink(_ path: String) -> SanaError? {
    guard let target = FileSystem.danglingTarget(of: path) else { return nil }
    return SanaError(
      .fileAccess, "is a link that leads nowhere (to '\(target.abbreviated)')",
      remedy: "copy what it names too (cp -rL), or download it again", location: path)
  }
}
