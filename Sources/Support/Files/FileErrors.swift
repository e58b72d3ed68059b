#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

extension SanaError {
  /// What a failed system call means to the person who named the file.
  /// - Parameter verb: what was tried: `opened`, `read`, `written`.
  package static func fileAccess(_ path: String, cannotBe verb: String, errno code: Int32)
    -> SanaError
  {
    if code == ENOMEM {
      return SanaError(
        .memoryLimit, "cannot be \(verb): the system refuses the memory for it",
        remedy: "raise the limit on memory (ulimit -v), or close other programs", location: path)
    }
    let remedy =
      switch code {
      case ENOENT: "check the path"
      case EACCES, EPERM, EROFS: "check the permissions"
      case ENOSPC, EDQUOT: "free some space or choose another disk"
      case EISDIR: "name a file, not a directory"
      case ENOTDIR: "check that every folder of the path is one"
      case EFBIG: "raise the limit on the size of files (ulimit -f), or choose another disk"
      case ELOOP: "remove the links that lead back to themselves"
      case EMFILE, ENFILE: "raise the limit of open files (ulimit -n)"
      case ENAMETOOLONG: "choose a shorter name"
      default: "check the disk and try again"
      }
    return SanaError(
      .fileAccess, "cannot be \(verb): \(String(cString: strerror(code)))", remedy: remedy,
      location: path)
  }
}
