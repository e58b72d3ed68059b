/// Which chunks of a `.sana` file are compressed. Every reader reads all of them.
public enum ContainerCompression: String, Hashable, Sendable, CaseIterable {
  /// None: every tensor can be used from the mapped file.
  case none
  /// Those that load sooner so: a chunk that shrinks to half or less. Decoding it on four cores
  /// takes as long as reading the other half from a disk of 2 GB/s.
  case fast
  /// All that shrink to 7/8 or less, for slow disks and downloads.
  case small

  /// The largest number of stored bytes for which a chunk is compressed.
  func largestByteCount(of rawByteCount: Int) -> Int {
    switch self {
    case .none: 0
    case .fast: rawByteCount / 2
    case .small: rawByteCount / 8 * 7 + rawByteCount % 8 * 7 / 8
    }
  }
}
