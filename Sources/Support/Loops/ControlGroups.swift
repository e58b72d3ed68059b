#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The control groups that this process is in (cgroups(7)), as far as they limit its processor
/// time.
///
/// A limit of a group holds for all groups in it, so that those above a process's own count too.
/// What cannot be read or understood sets no limit.
package struct ControlGroups {
  private enum Version {
    case one
    case two
  }

  /// A part of a hierarchy of groups that can be seen as directories.
  private struct Mount {
    let version: Version
    /// The group that appears at `point`.
    let root: String
    let point: String
  }

  private let root: String

  /// - Parameter root: of the file system; another one for tests.
  package init(root: String = "") { self.root = root }

  /// The least quota of the process's groups.
  package var quota: ProcessorQuota? {
    let mounts = self.mounts
    var least: ProcessorQuota?
    for (version, group) in groups {
      for mount in mounts where mount.version == version {
        for directory in directories(of: group, in: mount) {
          guard let quota = quota(in: directory, version) else { continue }
          if quota.processors < least?.processors ?? .infinity { least = quota }
        }
      }
    }
    return least
  }

  /// Lines of `/proc/self/cgroup` are `number:controllers:group`; version 2 names no controllers.
  private var groups: [(Version, String)] {
    lines(of: "/proc/self/cgroup").compactMap { line in
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return nil }
      if parts[0] == "0", parts[1].isEmpty { return (.two, String(parts[2])) }
      guard parts[1].split(separator: ",").contains("cpu") else { return nil }
      return (.one, String(parts[2]))
    }
  }

  /// Lines of `/proc/self/mountinfo` are `number parent device root point options [fields] - type
  /// source options`.
  private var mounts: [Mount] {
    lines(of: "/proc/self/mountinfo").compactMap { line in
      let parts = line.split(separator: " ")
      guard let rule = parts.firstIndex(of: "-"), rule >= 6, parts.count >= rule + 4 else {
        return nil
      }
      let version: Version
      switch parts[rule + 1] {
      case "cgroup2": version = .two
      case "cgroup" where parts[rule + 3].split(separator: ",").contains("cpu"): version = .one
      default: return nil
      }
      return Mount(version: version, root: unescaped(parts[3]), point: unescaped(parts[4]))
    }
  }

  /// The directories of a group and of those above it, as far as the mount shows them.
  private func directories(of group: String, in mount: Mount) -> [String] {
    let root = mount.root == "/" ? "" : mount.root
    // A group outside of what is mounted is seen by processes of another namespace; then the mount
    // itself is all there is.
    var components =
      group == root || group.hasPrefix(root + "/")
      ? group.dropFirst(root.count).split(separator: "/") : []
    if components.contains("..") { components = [] }
    return (0...components.count).map {
      ([mount.point] + components.prefix($0).map(String.init)).joined(separator: "/")
    }
  }

  private func quota(in directory: String, _ version: Version) -> ProcessorQuota? {
    let path: String
    let numbers: [Substring]
    switch version {
    case .one:
      path = directory + "/cpu.cfs_quota_us"
      numbers = words(of: path) + words(of: directory + "/cpu.cfs_period_us")
    case .two:
      path = directory + "/cpu.max"
      numbers = words(of: path)
    }
    // Without a limit the time is -1 or `max`.
    guard numbers.count == 2, let time = Int(numbers[0]), let period = Int(numbers[1]), time > 0,
      period > 0
    else { return nil }
    return ProcessorQuota(processors: Double(time) / Double(period), path: path)
  }

  // MARK: Reading

  private func lines(of path: String) -> [Substring] { text(of: path).split(separator: "\n") }

  private func words(of path: String) -> [Substring] {
    text(of: path).split(whereSeparator: \.isWhitespace)
  }

  /// Empty when the file cannot be read. The system makes these files when they are read: they have
  /// no length before.
  private func text(of path: String) -> String {
    let file = open(root + path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var text: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 14)
    while text.count < 1 << 24 {
      let count = block.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
      guard count > 0 else { break }
      text += block.prefix(count)
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Blanks in paths are written as `\040`.
  private func unescaped(_ path: Substring) -> String {
    let bytes = Array(path.utf8)
    var result: [UInt8] = []
    var place = 0
    while place < bytes.count {
      let digits = bytes[place...].dropFirst().prefix(3)
      if bytes[place] == UInt8(ascii: "\\"), digits.count == 3,
        let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
      {
        result.append(value)
        place += 4
      } else {
        result.append(bytes[place])
        place += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
