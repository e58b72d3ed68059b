#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A folder that appears under its name complete or not at all: filled beside it under a temporary name, then renamed.
///
/// Destroying the value without `commit()` removes the temporary folder and all that is in it.
package final class ReplacementDirectory {
  package let path: String
  /// Where to write meanwhile.
  package let temporaryPath: String
  private var isCommitted = false

  /// - Parameter path: must not exist, or be an empty folder.
  /// - Throws: `.fileAccess` when the folder around it does not exist or cannot be written to.
  package init(path: String) throws(SanaError) {
    self.path = path
    temporaryPath = "\(path).\(getpid()).partial"
    guard mkdir(temporaryPath, 0o777) == 0 else {
      throw .fileAccess(path, cannotBe: "written", errno: errno)
    }
  }

  deinit {
    if !isCommitted { FileSystem.removeTree(temporaryPath) }
  }

  package func commit() throws(SanaError) {
    try FileSystem.rename(temporaryPath, to: path)
    isCommitted = true
  }
}
