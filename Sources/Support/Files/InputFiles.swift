/// The files that a command reads, known by what they are and not by their names: no output may
/// take the place of one of them.
public struct InputFiles: Sendable {
  private var paths: [FileSystem.Identity: String] = [:]

  /// Deeper than any checkpoint's folders.
  private static let deepestFolder = 4

  /// - Parameter paths: files, and folders of which every file is read but for `.sana` files, which
  ///   conversions leave beside a checkpoint. What does not exist is left out.
  public init(_ paths: [String] = []) {
    for path in paths { add(path, depth: 0) }
  }

  private mutating func add(_ path: String, depth: Int) {
    switch FileSystem.kind(of: path) {
    case .directory where depth < Self.deepestFolder:
      for name in (try? FileSystem.names(in: path)) ?? [] {
        add(FileSystem.join(path, name), depth: depth + 1)
      }
    case .file where depth == 0 || (try? FileKind(path: path)) != .container:
      if let identity = FileSystem.identity(of: path) { paths[identity] = path }
    default: break
    }
  }

  /// Refuses an output that is one of the files, by whatever name, link or hard link.
  /// - Throws: `.invalidArgument`.
  public func check(_ output: String) throws(SanaError) {
    guard let identity = FileSystem.identity(of: output), let input = paths[identity] else {
      return
    }
    throw SanaError(
      .invalidArgument,
      input == output
        ? "is read by this command" : "is the same file as '\(input)', which this command reads",
      remedy: "choose another output", location: output)
  }
}
