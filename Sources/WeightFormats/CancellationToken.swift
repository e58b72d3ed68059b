import Synchronization

/// Says that the user wants the work to stop. Whoever computes or writes for long asks it now and then.
public final class CancellationToken: Sendable {
  private let flag = Atomic<Bool>(false)

  public init() {}

  /// Asks the work to stop. Cannot be taken back.
  public func cancel() { flag.store(true, ordering: .relaxed) }

  public var isCancelled: Bool { flag.load(ordering: .relaxed) }

  /// - Throws: `.cancelled` once `cancel()` was called.
  public func check() throws(SanaError) {
    guard isCancelled else { return }
    throw SanaError(
      .cancelled, "stopped before the work was done", remedy: "run the command again to start over")
  }
}
