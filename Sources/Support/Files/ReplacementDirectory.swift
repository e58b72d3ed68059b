#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A folder that appears under its name complete or not at all: filled beside it under a temporary
/// name, then renamed.
///
/// Destroying the value without `commit()` removes the temporary folder and all that is in it. What
/// a killed process left of the same output is removed first.
package final class ReplacementDirectory {
  /// As the user named it.
  package let path: String
  /// What the folder becomes: `path`, or where its links lead.
  private let target: String
  /// Where to write meanwhile.
  package var temporaryPath: String { temporary.path }
  private let temporary: TemporaryName
  private var isCommitted = false

  /// - Parameter path: must not exist, or be an empty folder.
  /// - Throws: `.fileAccess` when the folder around it does not exist or cannot be written to.
  package init(path: String) throws(SanaError) {
    self.path = path
    target = try OutputTarget.path(following: path)
    temporary = try TemporaryName(for: target) {
      mkdir($0, 0o777) == 0 ? open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1
    }
  }

  deinit {
    if !isCommitted { FileSystem.removeTree(temporaryPath) }
    close(temporary.descriptor)
  }

  package func commit() throws(SanaError) {
    try FileSystem.rename(temporaryPath, to: target)
    isCommitted = true
  }
}
