internal import Synchronization

/// Threads that run loops.
public protocol LoopRunner {
  /// How many bodies may run at the same time; at least 1.
  var workers: Int { get }

  /// Calls the body once for every index below `count`, in any order and on any thread, and returns
  /// when all calls have. A runner whose work is cancelled may leave out calls.
  /// - Parameter body: `worker` is less than `workers` and tells apart calls that may run at the
  ///   same time.
  func forEach(_ count: Int, _ body: (_ index: Int, _ worker: Int) -> Void)
}

/// Loops that run in turn, on the calling thread.
public struct SerialLoops: LoopRunner, Sendable {
  public init() {}

  public var workers: Int { 1 }

  public func forEach(_ count: Int, _ body: (_ index: Int, _ worker: Int) -> Void) {
    for index in 0..<count { body(index, 0) }
  }
}

extension LoopRunner {
  /// Calls `body` once for every index below `count`, in any order. Each worker has a scratch of
  /// its own.
  /// - Throws: the failure with the least index among those met, after which no further index is
  ///   begun; `SanaError` `.cancelled` when the runner left out calls.
  package func forEach<Scratch>(
    _ count: Int, scratch makeScratch: () -> Scratch,
    _ body: (_ index: Int, _ scratch: Scratch) throws -> Void
  ) throws {
    let scratch = (0..<workers).map { _ in makeScratch() }
    let called = Atomic(0)
    let failure = Mutex<(index: Int, error: any Error)?>(nil)
    forEach(count) { index, worker in
      called.wrappingAdd(1, ordering: .relaxed)
      guard failure.withLock({ $0 == nil }) else { return }
      do { try body(index, scratch[worker]) } catch {
        failure.withLock { first in
          if let found = first, found.index < index { return }
          first = (index, error)
        }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure.error }
    guard called.load(ordering: .relaxed) == count else { throw SanaError.stopped }
  }
}
