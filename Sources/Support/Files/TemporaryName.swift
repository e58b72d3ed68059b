#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The name beside an output, `OUTPUT.PROCESS.partial`, under which a file or folder is made before
/// it gets its own.
///
/// Whoever makes it holds a lock on it (`flock`), which ends with the process however that ends. A
/// killed process leaves its unfinished output behind, but unlocked: the next that writes the same
/// output removes it.
struct TemporaryName {
  let path: String
  /// Open on what stands under the name, with the lock; to be closed by whoever holds this value.
  let descriptor: Int32

  private static let suffix = ".partial"
  private static let attempts = 1000

  /// Removes what dead processes left of this output, then makes something new beside it.
  /// - Parameters:
  ///   - output: the path that the result will have.
  ///   - create: makes the file or folder under the name it is given, which must not exist, and
  ///     opens it; -1 and `errno` where that fails.
  /// - Throws: `.fileAccess` about `output`.
  init(for output: String, creating create: (_ path: String) -> Int32) throws(SanaError) {
    Self.removeAbandoned(of: output)
    for attempt in 0..<Self.attempts {
      let path = "\(output).\(getpid())\(attempt == 0 ? "" : "-\(attempt)")\(Self.suffix)"
      let descriptor = create(path)
      guard descriptor >= 0 else {
        let code = errno
        // A live process in another container can have the same number; a folder can be taken
        // before it is opened.
        guard code == EEXIST || code == ENOENT,
          FileSystem.kind(of: FileSystem.parent(of: output)) == .directory
        else { throw .fileAccess(output, cannotBe: "written", errno: code) }
        continue
      }
      // Where the file system has no locks, nothing is ever taken for abandoned.
      while flock(descriptor, LOCK_EX) != 0 && errno == EINTR {}
      // Another process may have taken it for abandoned before it was locked.
      if Self.is(descriptor, at: path) {
        self.path = path
        self.descriptor = descriptor
        return
      }
      close(descriptor)
    }
    throw .fileAccess(output, cannotBe: "written", errno: EEXIST)
  }

  /// Removes the unlocked temporary files and folders of an output. What cannot be examined or
  /// removed stays.
  static func removeAbandoned(of output: String) {
    let folder = FileSystem.parent(of: output)
    let name = FileSystem.name(of: output)
    for entry in (try? FileSystem.names(in: folder)) ?? [] where isTemporary(entry, of: name) {
      let path = FileSystem.join(folder, entry)
      let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
      guard descriptor >= 0 else { continue }
      defer { close(descriptor) }
      // The lock is held until it is gone: a process that has just made it sees that when it gets
      // the lock.
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, Self.is(descriptor, at: path) else {
        continue
      }
      if unlink(path) != 0 { FileSystem.removeTree(path) }
    }
  }

  /// Whether an entry of the output's folder has a name that `init` gives.
  private static func isTemporary(_ entry: String, of output: String) -> Bool {
    guard entry.hasPrefix(output + "."), entry.hasSuffix(suffix) else { return false }
    let owner = entry.dropFirst(output.count + 1).dropLast(suffix.count)
    let numbers = owner.split(separator: "-", omittingEmptySubsequences: false)
    return (1...2).contains(numbers.count)
      && numbers.allSatisfy { !$0.isEmpty && $0.allSatisfy { ("0"..."9").contains($0) } }
  }

  /// Whether the name still stands for what is open.
  private static func `is`(_ descriptor: Int32, at path: String) -> Bool {
    var opened = stat()
    var named = stat()
    return fstat(descriptor, &opened) == 0 && lstat(path, &named) == 0
      && opened.st_dev == named.st_dev && opened.st_ino == named.st_ino
  }
}
