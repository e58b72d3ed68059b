/// What the tools say about themselves.
public enum Toolchain {
  /// Printed by `--version` and kept in the files that the tools write.
  public static let version = "0.1.0"
}
