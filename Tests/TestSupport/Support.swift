public import Foundation

/// Files that tests read: `Tests/Fixtures`, found from this source file, so that tests run from any directory.
public enum Fixtures {
  public static var directory: URL {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures")
  }
}
