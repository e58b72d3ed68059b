public import Foundation

/// A folder of its own for one test, removed with the value.
public final class TestDirectory: Sendable {
  public let url: URL

  public init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "sana-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// The path of a file in the folder.
  public func path(_ name: String) -> String { url.appending(path: name).path }

  /// Writes a file, making the folders on the way.
  @discardableResult
  public func write(_ contents: [UInt8], to name: String) throws -> String {
    let file = url.appending(path: name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(contents).write(to: file)
    return file.path
  }

  @discardableResult
  public func write(_ contents: String, to name: String) throws -> String {
    try write(Array(contents.utf8), to: name)
  }

  /// Copies a file or folder into the folder, writable.
  @discardableResult
  public func copy(_ source: URL, to name: String) throws -> String {
    let target = url.appending(path: name)
    try FileManager.default.copyItem(at: source, to: target)
    let enumerator = FileManager.default.enumerator(atPath: target.path)
    for path in [""] + (enumerator?.compactMap { $0 as? String } ?? []) {
      try FileManager.default.setAttributes(
        [.posixPermissions: 0o755], ofItemAtPath: target.appending(path: path).path)
    }
    return target.path
  }
}

/// Runs `body` with a folder of its own, which is there until `body` has ended.
public func withTemporaryDirectory<Result>(
  _ body: (TestDirectory) throws -> Result
) throws -> Result {
  let directory = try TestDirectory()
  return try withExtendedLifetime(directory) { try body(directory) }
}
