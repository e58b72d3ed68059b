#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif
public import WeightFormats

/// Checks on the place of an output before the work that fills it begins.
public enum OutputPath {
  /// - Throws: `.fileAccess` when no file can be created or replaced under this name.
  public static func checkWritable(_ path: String) throws(SanaError) {
    guard !path.isEmpty else {
      throw SanaError(
        .invalidArgument, "the output's name is empty", remedy: "name a file after --output")
    }
    if fileType(path) == S_IFDIR {
      throw SanaError(
        .fileAccess, "is a directory", remedy: "name a file inside it", location: path)
    }
    let directory = directory(of: path)
    guard let type = fileType(directory) else {
      throw SanaError(
        .fileAccess, "there is no directory '\(directory)'", remedy: "create it first",
        location: path)
    }
    guard type == S_IFDIR else {
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

  /// Everything before the last slash, `.` when there is none.
  private static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func fileType(_ path: String) -> mode_t? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
  }
}
