#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif
public import WeightFormats

/// Checks on the place of an output before the work that fills it begins.
public enum OutputPath {
  /// - Throws: `.invalidArgument` or `.fileAccess` when no file can be created or replaced under this name.
  public static func checkWritable(_ path: String) throws(SanaError) {
    guard !path.isEmpty else {
      throw SanaError(
        .invalidArgument, "the output's name is empty", remedy: "name a file after --output")
    }
    let existing = FileSystem.kind(of: path)
    guard !path.hasSuffix("/"), existing != .directory else {
      throw SanaError(
        .fileAccess, "is a directory", remedy: "name a file inside it", location: path)
    }
    // Outputs are written beside their place and renamed: that would put a file where a device stands.
    guard existing != .other else {
      throw SanaError(
        .fileAccess, "is a device or a pipe", remedy: "name an ordinary file", location: path)
    }
    let directory = FileSystem.parent(of: path)
    switch FileSystem.kind(of: directory) {
    case .directory: break
    case nil:
      throw SanaError(
        .fileAccess, "there is no directory '\(directory)'", remedy: "create it first",
        location: path)
    default:
      throw SanaError(
        .fileAccess, "'\(directory)' is not a directory", remedy: "choose another place",
        location: path)
    }
    guard access(directory, W_OK | X_OK) == 0 else {
      throw SanaError(
        .fileAccess,
        "no file can be created in '\(directory)': \(String(cString: strerror(errno)))",
        remedy: "choose a place you may write to", location: path)
    }
  }
}
