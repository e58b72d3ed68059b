internal import Synchronization

/// Loops over all processors that the process may use.
package enum Parallel {
  package static var coreCount: Int { AvailableProcessors.current.count }

  /// Calls `body` once for every index below `count`, in any order. Each worker has a scratch buffer of its own.
  /// - Throws: the failure with the least index among those met; after a failure no further index is begun.
  package static func forEach(
    _ count: Int, workers: Int = coreCount,
    _ body: @Sendable (_ index: Int, _ scratch: ScratchBuffer) throws -> Void
  ) throws {
    try forEach(count, workers: workers, scratch: ScratchBuffer.init, body)
  }

  /// The same, where each worker makes what it needs.
  static func forEach<Scratch>(
    _ count: Int, workers: Int = coreCount, scratch makeScratch: @Sendable () -> Scratch,
    _ body: @Sendable (_ index: Int, _ scratch: Scratch) throws -> Void
  ) throws {
    let next = Atomic(0)
    let failure = Mutex<(index: Int, error: any Error)?>(nil)
    WorkerThread.run(on: min(workers, count)) {
      let scratch = makeScratch()
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < count, failure.withLock({ $0 == nil }) else { return }
        do { try body(index, scratch) } catch {
          failure.withLock { first in
            if let found = first, found.index < index { return }
            first = (index, error)
          }
        }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure.error }
  }
}
