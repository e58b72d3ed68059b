public import Support
internal import Synchronization
internal import WeightFormats

/// Counts every byte that is held on a device, and refuses more than was planned.
///
/// Whoever holds memory holds a claim, and the claim ends with it. A run has a ledger of its own
/// within the device's: what it claims counts in both.
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
    /// What the limit is the plan of, for people; nil for a limit that a user asked for.
    var planned: String?
    /// Claims that are granted before one is refused.
    var grantsLeft: Int?
  }

  private let state: Mutex<State>
  private let parent: MemoryLedger?

  /// - Parameters:
  ///   - limit: the most bytes that may be held at a time.
  ///   - parent: where every claim counts too.
  public init(limit: Int? = nil, within parent: MemoryLedger? = nil) {
    var state = State()
    state.limit = limit
    self.state = Mutex(state)
    self.parent = parent
  }

  /// The most bytes that may be held at a time; nil for any number.
  public var limit: Int? {
    get { state.withLock { $0.limit } }
    set {
      state.withLock {
        $0.limit = newValue
        $0.planned = nil
      }
    }
  }

  /// Makes what was planned the limit, until another one is set.
  /// - Parameter what: what the plan is of, for people: `the stage 'denoise'`.
  public func hold(to plannedBytes: Int, planOf what: String) {
    state.withLock {
      $0.limit = plannedBytes
      $0.planned = what
    }
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
    try add(byteCount, purpose, what)
    return MemoryClaim(self, byteCount, purpose)
  }

  /// Holds memory that the body uses.
  /// - Throws: as `claim`, and what the body throws.
  public func holding<Result>(
    _ byteCount: Int, for purpose: Purpose, _ what: @autoclosure () -> String,
    _ body: () throws -> Result
  ) throws -> Result {
    let claim = try claim(byteCount, for: purpose, what())
    return try withExtendedLifetime(claim, body)
  }

  private func add(
    _ byteCount: Int, _ purpose: Purpose, _ what: () -> String
  ) throws(SanaError) {
    try state.withLock { state throws(SanaError) in
      let refusal = Refusal(
        total: state.total + byteCount, limit: state.limit, planned: state.planned)
      if let left = state.grantsLeft {
        guard left > 0 else { throw refusal.error(what()) }
        state.grantsLeft = left - 1
      }
      if let limit = state.limit, refusal.total > limit { throw refusal.error(what()) }
      try parent?.add(byteCount, purpose, what)
      state.total = refusal.total
      state.peak = max(state.peak, state.total)
      state.used[purpose, default: 0] += byteCount
    }
  }

  fileprivate func release(_ byteCount: Int, _ purpose: Purpose) {
    state.withLock {
      $0.total -= byteCount
      $0.used[purpose, default: 0] -= byteCount
    }
    parent?.release(byteCount, purpose)
  }
}

/// Why a claim is not granted.
private struct Refusal {
  /// What would be held with it.
  let total: Int
  let limit: Int?
  let planned: String?

  func error(_ what: String) -> SanaError {
    if let planned, let limit {
      return SanaError(
        .memoryLimit,
        "\(what) would take \(planned) to \(total) bytes of memory, and \(limit) were planned",
        remedy: "this is a fault of the program: report it, with the model and the command")
    }
    return SanaError(
      .memoryLimit,
      "\(what) would take the memory to \(total) bytes"
        + (limit.map { ", more than the limit of \($0)" } ?? ""),
      remedy: "allow at least \(total) bytes; later parts may need more")
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
