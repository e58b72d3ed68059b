package import CKernels

/// Says that the user wants the work to stop. Whoever computes or writes for long asks it now and
/// then.
public final class CancellationToken: Sendable {
  // A C flag, so that kernels can look at it too.
  private nonisolated(unsafe) let flag: UnsafeMutablePointer<sana_flag>

  public init() {
    flag = .allocate(capacity: 1)
    flag.initialize(to: sana_flag())
  }

  deinit { flag.deallocate() }

  /// Raised by `cancel()`. Lives as long as the token.
  package var raisedFlag: UnsafePointer<sana_flag> { UnsafePointer(flag) }

  /// Asks the work to stop. Cannot be taken back.
  public func cancel() { sana_flag_raise(flag) }

  public var isCancelled: Bool { sana_flag_is_raised(flag) }

  /// - Throws: `.cancelled` once `cancel()` was called.
  public func check() throws(SanaError) {
    guard isCancelled else { return }
    throw .stopped
  }
}

extension SanaError {
  /// The work was asked to stop.
  static var stopped: SanaError {
    SanaError(
      .cancelled, "stopped before the work was done", remedy: "run the command again to start over")
  }
}
