#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The few questions that the formats ask of the file system. Paths are strings, as the user typed
/// them.
package enum FileSystem {
  package enum Kind: Hashable, Sendable {
    case file
    case directory
    case other
  }

  /// What stands at the path (links followed), or `nil` when nothing does or it cannot be seen.
  package static func kind(of path: String) -> Kind? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return switch status.st_mode & S_IFMT {
    case S_IFREG: .file
    case S_IFDIR: .directory
    default: .other
    }
  }

  /// What tells a file from every other, whatever its names.
  package struct Identity: Hashable, Sendable {
    let device: UInt64
    let number: UInt64
  }

  /// The identity of what stands at the path (links followed), or `nil` when nothing does.
  package static func identity(of path: String) -> Identity? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return Identity(
      device: UInt64(truncatingIfNeeded: status.st_dev),
      number: UInt64(truncatingIfNeeded: status.st_ino))
  }

  /// What a symbolic link says, or `nil` when the path is none.
  /// - Throws: `.fileAccess` for a link that cannot be read.
  package static func linkTarget(of path: String) throws(SanaError) -> String? {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK else { return nil }
    var text = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(path, &text, text.count)
    guard count >= 0 else { throw .fileAccess(path, cannotBe: "examined", errno: errno) }
    return String(decoding: text.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// The path without links, `.` and `..`, or `nil` when nothing stands there.
  package static func realPath(of path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// Whether a path without links is that of a folder, or of something in it.
  package static func `is`(_ path: String, inside folder: String) -> Bool {
    path == folder || path.hasPrefix(folder + "/")
  }

  /// Whether an existing file lacks every permission to write.
  package static func isWriteProtected(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & 0o222 == 0
  }

  /// Names in a directory, sorted, without `.` and `..`.
  package static func names(in directory: String) throws(SanaError) -> [String] {
    guard let stream = opendir(directory) else {
      throw .fileAccess(directory, cannotBe: "listed", errno: errno)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// A whole file that is expected to be small.
  /// - Throws: `.fileAccess`; `.malformedFile` when it is longer than `limit`.
  package static func read(_ path: String, limit: Int) throws(SanaError) -> [UInt8] {
    let file = try MappedFile(path: path)
    guard file.byteCount <= limit else {
      throw SanaError(
        .malformedFile, "is \(file.byteCount) bytes long, more than the \(limit) allowed here",
        remedy: "check that it is the right file", location: path)
    }
    return Array(file.bytes)
  }

  package static func createDirectory(_ path: String) throws(SanaError) {
    guard mkdir(path, 0o777) == 0 else {
      throw .fileAccess(path, cannotBe: "created", errno: errno)
    }
  }

  /// Removes a directory and all that is in it; what cannot be removed stays.
  package static func removeTree(_ path: String) {
    for name in (try? names(in: path)) ?? [] {
      let child = join(path, name)
      var status = stat()
      if lstat(child, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
        removeTree(child)
      } else {
        unlink(child)
      }
    }
    rmdir(path)
  }

  package static func rename(_ old: String, to new: String) throws(SanaError) {
    guard systemRename(old, new) == 0 else {
      throw .fileAccess(new, cannotBe: "written", errno: errno)
    }
  }

  package static func join(_ directory: String, _ name: String) -> String {
    directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
  }

  /// The folder that holds the path: `.` for a bare name.
  package static func parent(of path: String) -> String {
    let trimmed = withoutTrailingSlashes(path)
    guard let slash = trimmed.lastIndex(of: "/") else { return "." }
    return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
  }

  /// The last part of the path.
  package static func name(of path: String) -> String {
    let trimmed = withoutTrailingSlashes(path)
    return trimmed.lastIndex(of: "/").map { String(trimmed[trimmed.index(after: $0)...]) }
      ?? trimmed
  }

  package static func withoutTrailingSlashes(_ path: String) -> String {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path
  }
}

/// `rename(2)`, which the method of the same name would shadow.
private func systemRename(_ old: String, _ new: String) -> Int32 { rename(old, new) }
