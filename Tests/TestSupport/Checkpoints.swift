public import Foundation

/// The small official checkpoints among the fixtures.
public enum Checkpoints {
  public static func url(_ name: String) -> URL {
    Fixtures.directory.appending(path: "checkpoints/\(name)")
  }

  /// The trained checkpoint that the demonstration draws with.
  public static var demo: String {
    Fixtures.directory.deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Demo/sana-demo").path
  }

  public static func path(_ name: String) -> String { url(name).path }
}
