#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A file that appears under its name complete or not at all: written beside it under a temporary
/// name, synced, renamed.
///
/// Where the name is that of a link, the file that the link names is written, and the link stays.
/// Destroying the value without `commit()` removes the temporary file. What a killed process left
/// of the same output is removed first.
package final class ReplacementFile: @unchecked Sendable {
  // Sendable: `write(_:at:)` is pwrite on one descriptor, which the system allows from any thread;
  // `commit` and `discard` are called when no write is under way.
  /// As the user named it.
  package let path: String
  /// What the file replaces: `path`, or where its links lead.
  private let target: String
  private let temporary: TemporaryName
  private var isFinished = false

  /// Where the file is until it is committed, for libraries that write files by name: they must
  /// write into what is there.
  package var temporaryPath: String { temporary.path }

  /// - Throws: `.fileAccess` when the folder does not exist or cannot be written to, or when
  ///   something that is no file has the name.
  package init(path: String) throws(SanaError) {
    self.path = path
    target = try OutputTarget.path(following: path)
    guard FileSystem.kind(of: target) != .directory else {
      throw .fileAccess(path, cannotBe: "written", errno: EISDIR)
    }
    temporary = try TemporaryName(for: target) {
      open($0, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    }
  }

  deinit {
    discard()
    close(temporary.descriptor)
  }

  /// Removes the temporary file at once, unless it has got its name.
  package func discard() {
    guard !isFinished else { return }
    isFinished = true
    unlink(temporary.path)
  }

  package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SanaError) {
    var done = 0
    while done < bytes.count {
      let count = pwrite(
        temporary.descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw .fileAccess(path, cannotBe: "written", errno: errno)
      }
      done += count
    }
  }

  /// Makes the file durable and gives it its name.
  /// - Throws: `.fileAccess`, also when something that is no file has taken the name meanwhile.
  package func commit() throws(SanaError) {
    guard fsync(temporary.descriptor) == 0 else {
      throw .fileAccess(path, cannotBe: "written", errno: errno)
    }
    guard try OutputTarget.path(following: path) == target else {
      throw SanaError(
        .fileAccess, "leads to another place than when it was begun",
        remedy: "leave its links alone meanwhile",
        location: path)
    }
    guard rename(temporary.path, target) == 0 else {
      throw .fileAccess(path, cannotBe: "written", errno: errno)
    }
    isFinished = true
    try syncFolder()
  }

  /// Makes the new name durable.
  private func syncFolder() throws(SanaError) {
    let folder = open(FileSystem.parent(of: target), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw .fileAccess(path, cannotBe: "written", errno: errno) }
    defer { close(folder) }
    // Some file systems cannot sync a folder and say so with EINVAL.
    guard fsync(folder) == 0 || errno == EINVAL else {
      throw .fileAccess(path, cannotBe: "written", errno: errno)
    }
  }

  package func write(_ bytes: [UInt8], at offset: Int) throws(SanaError) {
    // `withUnsafeBytes` forgets the type of the error that it passes on; a `Result` carries it.
    try bytes.withUnsafeBytes { buffer in
      Result { () throws(SanaError) in try write(buffer, at: offset) }
    }.get()
  }

  /// Writes a whole small file.
  package static func write(_ contents: [UInt8], to path: String) throws(SanaError) {
    let file = try ReplacementFile(path: path)
    try file.write(contents, at: 0)
    try file.commit()
  }
}
