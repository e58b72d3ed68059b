internal import Synchronization

/// Loops on threads that are started for each of them: by default one for every processor that the
/// process may use.
package struct ProcessorLoops: LoopRunner, Sendable {
  package let workers: Int

  package init(workers: Int = Parallel.coreCount) { self.workers = max(workers, 1) }

  package func forEach(_ count: Int, _ body: (_ index: Int, _ worker: Int) -> Void) {
    guard count > 0 else { return }
    withoutActuallyEscaping(body) { body in
      // Whoever calls knows that it runs on several threads at once.
      nonisolated(unsafe) let body = body
      let next = Atomic(0)
      let begun = Atomic(0)
      WorkerThread.run(on: min(workers, count)) {
        let worker = begun.wrappingAdd(1, ordering: .relaxed).oldValue
        while true {
          let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
          guard index < count else { return }
          body(index, worker)
        }
      }
    }
  }
}

/// Loops over all processors that the process may use.
package enum Parallel {
  package static var coreCount: Int { AvailableProcessors.current.count }

  /// Calls `body` once for every index below `count`, in any order. Each worker has a scratch
  /// buffer of its own.
  /// - Throws: the failure with the least index among those met; after a failure no further index
  ///   is begun.
  package static func forEach(
    _ count: Int, workers: Int = coreCount,
    _ body: @Sendable (_ index: Int, _ scratch: ScratchBuffer) throws -> Void
  ) throws {
    try forEach(count, workers: workers, scratch: ScratchBuffer.init, body)
  }

  /// The same, where each worker has a scratch of another kind.
  package static func forEach<Scratch>(
    _ count: Int, workers: Int = coreCount, scratch makeScratch: () -> Scratch,
    _ body: @Sendable (_ index: Int, _ scratch: Scratch) throws -> Void
  ) throws {
    try ProcessorLoops(workers: workers).forEach(count, scratch: makeScratch, body)
  }
}
