internal import Dispatch
internal import Synchronization

/// Runs jobs on all cores and lets each finish in the order of submission, with a bounded number of
/// them in flight.
///
/// A job has two parts: the first runs anywhere and at any time; what it returns runs after the
/// second parts of all earlier jobs, one at a time. After the first failure the remaining jobs are
/// dropped.
package final class OrderedPipeline: Sendable {
  package typealias Completion = @Sendable () throws -> Void

  private struct State {
    var submitted = 0
    var completed = 0
    var waiting: [Int: Completion] = [:]
    var isCompleting = false
    var failure: (any Error)?
  }

  private let state = Mutex(State())
  private let queue = WorkerQueue(threads: Parallel.coreCount)
  private let slots: DispatchSemaphore
  private let depth: Int

  /// - Parameter depth: how many jobs may be begun and not completed.
  package init(depth: Int) {
    self.depth = max(depth, 1)
    slots = DispatchSemaphore(value: self.depth)
  }

  /// Waits for a free place and begins the job.
  /// - Throws: the first failure of an earlier job.
  package func submit(_ job: @escaping @Sendable () throws -> Completion) throws {
    slots.wait()
    let index: Int
    do {
      index = try state.withLock { state in
        if let failure = state.failure { throw failure }
        defer { state.submitted += 1 }
        return state.submitted
      }
    } catch {
      slots.signal()
      throw error
    }
    queue.async {
      var completion: Completion = {}
      if !self.hasFailed {
        do { completion = try job() } catch { self.fail(error) }
      }
      self.complete(index, completion)
    }
  }

  /// Waits until every job is complete.
  /// - Throws: the first failure.
  package func finish() throws {
    waitUntilIdle()
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }

  /// Drops the jobs that have not begun and waits for the others.
  package func cancel() {
    fail(CancellationError())
    waitUntilIdle()
  }

  private func waitUntilIdle() {
    for _ in 0..<depth { slots.wait() }
    for _ in 0..<depth { slots.signal() }
  }

  private var hasFailed: Bool { state.withLock { $0.failure != nil } }

  private func fail(_ error: any Error) {
    state.withLock { $0.failure = $0.failure ?? error }
  }

  private func complete(_ index: Int, _ completion: @escaping Completion) {
    var next = state.withLock { state -> Completion? in
      state.waiting[index] = completion
      return Self.takeNext(&state, continuing: false)
    }
    while let completion = next {
      if !hasFailed {
        do { try completion() } catch { fail(error) }
      }
      next = state.withLock { Self.takeNext(&$0, continuing: true) }
      slots.signal()
    }
  }

  /// The next completion in order, if it is there and nobody else is at work on one.
  private static func takeNext(_ state: inout State, continuing: Bool) -> Completion? {
    if continuing {
      state.completed += 1
    } else if state.isCompleting {
      return nil
    }
    let next = state.waiting.removeValue(forKey: state.completed)
    state.isCompleting = next != nil
    return next
  }
}
