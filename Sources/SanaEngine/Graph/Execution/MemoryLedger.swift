public import Support
internal import Synchronization
internal import WeightFormats

/// Counts every byte that is held on a device, and refuses more than was planned.
///
/// Whoever holds memory holds a claim, and the claim ends with it.
public final class MemoryLedger: Sendable {
  /// What memory is held for.
  public enum Purpose: String, Hashable, Sendable, CaseIterable {
    /// Weights in the form in which they are computed with.
    case weights
    /// Activations and working memory of graphs.
    case arena
    /// Tensors that are kept between graphs: captions, latents, pictures.
    case kept
    /// Weights on their way from the file to the form they are computed in.
    case staging
  }

  private struct State {
    var used: [Purpose: Int] = [:]
    var total = 0
    var peak = 0
    var limit: Int?
    /// Claims that are granted before one is refused.
    var grantsLeft: Int?
  }

  private let state: Mutex<State>

  /// - Parameter limit: the most bytes that may be held at a time.
  public init(limit: Int? = nil) {
    var state = State()
    state.limit = limit
    self.state = Mutex(state)
  }

  /// The most bytes that may be held at a time; nil for any number.
  public var limit: Int? {
    get { state.withLock { $0.limit } }
    set { state.withLock { $0.limit = newValue } }
  }

  public var usedBytes: Int { state.withLock { $0.total } }

  /// The most bytes that were held at a time since the ledger was made, or since `resetPeak`.
  public var peakBytes: Int { state.withLock { $0.peak } }

  /// Bytes that are held for a purpose.
  public func usedBytes(for purpose: Purpose) -> Int { state.withLock { $0.used[purpose] ?? 0 } }

  public func resetPeak() { state.withLock { $0.peak = $0.total } }

  /// Refuses the claim after so many others, as a system without memory would: for tests.
  package func refuse(afterGranting grants: Int?) {
    state.withLock { $0.grantsLeft = grants }
  }

  /// - Parameter what: the memory's use, for people: `the activations of decoder 1x32x32`.
  /// - Throws: `SanaError` `.memoryLimit` when more would be held than the limit allows.
  public func claim(
    _ byteCount: Int, for purpose: Purpose, _ what: @autoclosure () -> String
  ) throws(SanaError) -> MemoryClaim {
    let outcome = state.withLock { state -> (total: Int, limit: Int?, granted: Bool) in
      let total = state.total + byteCount
      if let left = state.grantsLeft {
        guard left > 0 else { return (total, state.limit, false) }
        state.grantsLeft = left - 1
      }
      if let limit = state.limit, total > limit { return (total, limit, false) }
      state.total = total
      state.peak = max(state.peak, total)
      state.used[purpose, default: 0] += byteCount
      return (total, state.limit, true)
    }
    guard outcome.granted else {
      throw SanaError(
        .memoryLimit,
        "\(what()) would take the memory to \(outcome.total) bytes"
          + (outcome.limit.map { ", more than the limit of \($0)" } ?? ""),
        remedy: "allow at least \(outcome.total) bytes; later parts may need more")
    }
    return MemoryClaim(self, byteCount, purpose)
  }

  fileprivate func release(_ byteCount: Int, _ purpose: Purpose) {
    state.withLock {
      $0.total -= byteCount
      $0.used[purpose, default: 0] -= byteCount
    }
  }
}

/// Bytes that somebody holds, until the object goes away.
public final class MemoryClaim: Sendable {
  private let ledger: MemoryLedger
  private let byteCount: Int
  private let purpose: MemoryLedger.Purpose

  fileprivate init(_ ledger: MemoryLedger, _ byteCount: Int, _ purpose: MemoryLedger.Purpose) {
    self.ledger = ledger
    self.byteCount = byteCount
    self.purpose = purpose
  }

  deinit { ledger.release(byteCount, purpose) }
}
