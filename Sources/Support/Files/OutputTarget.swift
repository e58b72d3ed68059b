#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// What the name of an output stands for when its links are followed.
///
/// An output that is a link writes what the link names: the link itself is never replaced, and
/// nothing is ever put where a device, a pipe or an entry of the system's own folders stands.
package enum OutputTarget: Hashable, Sendable {
  /// A path that is no link: an ordinary file, a folder, or nothing yet.
  case place(String)
  /// This process's standard output, by one of its names: `/dev/stdout`, `/dev/fd/1`,
  /// `/proc/self/fd/1`, or a link to one.
  case standardOutput

  /// As many as the kernel follows.
  private static let longestChain = 40

  /// Follows a path, link after link.
  /// - Throws: `.fileAccess` for links in a circle, for what is neither file nor folder, and for
  ///   what lies in `/dev`, `/proc` or `/sys`.
  package init(following path: String) throws(SanaError) {
    var current = path
    for _ in 0..<Self.longestChain {
      let folder = FileSystem.realPath(of: FileSystem.parent(of: current))
      if let folder, Self.isStandardOutput(FileSystem.name(of: current), in: folder) {
        self = .standardOutput
        return
      }
      guard let next = try FileSystem.linkTarget(of: current) else {
        try Self.check(current, in: folder, named: path)
        self = .place(current)
        return
      }
      // The links in /proc are none: they lead to what is open, whatever their text says.
      if let folder, FileSystem.is(folder, inside: "/proc") {
        throw Self.refusal(path, "leads to '\(current)', an open file of a process")
      }
      current = next.hasPrefix("/") ? next : FileSystem.join(FileSystem.parent(of: current), next)
    }
    throw SanaError(
      .fileAccess, "is a link that leads back to itself",
      remedy: "remove the link, or name another file", location: path)
  }

  /// The path of an output that is a file or folder.
  /// - Throws: what `init` throws; `.fileAccess` for the standard output.
  package static func path(following path: String) throws(SanaError) -> String {
    switch try OutputTarget(following: path) {
    case .place(let path): return path
    case .standardOutput:
      throw refusal(path, "is the standard output, which cannot be replaced")
    }
  }

  private static func isStandardOutput(_ name: String, in folder: String) -> Bool {
    guard name == "1" else { return false }
    let own = "/proc/\(getpid())/"
    return folder.hasPrefix(own) && folder.hasSuffix("/fd")
  }

  private static func check(
    _ target: String, in folder: String?, named path: String
  ) throws(SanaError) {
    let subject = target == path ? "is" : "leads to '\(target)', which is"
    if FileSystem.kind(of: target) == .other {
      throw refusal(path, "\(subject) a device or a pipe")
    }
    for root in ["/dev", "/proc", "/sys"]
    where folder.map({ FileSystem.is($0, inside: root) }) == true {
      // Shared memory is a disk like any other.
      if let folder, FileSystem.is(folder, inside: "/dev/shm") { continue }
      throw refusal(path, "\(subject) in \(root), which belongs to the system")
    }
  }

  private static func refusal(_ path: String, _ message: String) -> SanaError {
    SanaError(
      .fileAccess, message, remedy: "name an ordinary file in a folder of your own", location: path)
  }
}
