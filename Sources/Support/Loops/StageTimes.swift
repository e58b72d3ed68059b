internal import Synchronization

/// Where the time of making a model file goes: seconds and bytes of each stage, added up over all
/// threads.
public final class StageTimes: Sendable {
  public enum Stage: String, Hashable, Sendable, CaseIterable {
    /// Bringing the source's bytes into memory and, for a `.sana` file, verifying and decoding
    /// them.
    case read
    /// Fusing, moving, rounding, quantizing numbers, and measuring what that cost them.
    case transform
    /// Filter and codec, tried or used.
    case compress
    /// XXH64 of the chunks.
    case checksum
    /// Handing bytes to the system.
    case write
    /// Waiting until the disk has them.
    case sync
    /// SHA-256 of the source files, reading them included.
    case digest
  }

  public struct Total: Hashable, Sendable {
    /// Seconds of threads: two that work for a second make two.
    public fileprivate(set) var seconds = 0.0
    public fileprivate(set) var byteCount = 0
  }

  private let totals = Mutex<[Stage: Total]>([:])

  public init() {}

  public subscript(stage: Stage) -> Total { totals.withLock { $0[stage] ?? Total() } }

  /// Runs a piece of work of a stage on this many bytes.
  package func measure<Result>(
    _ stage: Stage, byteCount: Int, _ work: () throws -> Result
  ) rethrows -> Result {
    let start = ContinuousClock.now
    defer {
      let seconds = (ContinuousClock.now - start).seconds
      totals.withLock {
        $0[stage, default: Total()].seconds += seconds
        $0[stage, default: Total()].byteCount += byteCount
      }
    }
    return try work()
  }
}
