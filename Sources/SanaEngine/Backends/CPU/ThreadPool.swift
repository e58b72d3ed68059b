internal import CKernels
internal import SanaGraph
internal import Support

/// The threads of a back end.
final class ThreadPool {
  private let pool: OpaquePointer
  private let cancellation: CancellationToken?

  /// - Parameter cancellation: once it is cancelled, loops leave undone what they have not begun,
  ///   so that whoever uses their results must ask it first.
  /// - Throws: `SanaError` `.memoryLimit` when the system has no memory for it.
  init(threads: Int, cancellation: CancellationToken? = nil) throws {
    guard
      let pool = sana_pool_create(max(threads, 1), AvailableProcessors.current.count)
    else {
      throw SanaError(
        .memoryLimit, "there is no memory for \(threads) threads", remedy: "ask for fewer threads")
    }
    self.pool = pool
    self.cancellation = cancellation
    if let cancellation { sana_pool_observe(pool, cancellation.raisedFlag) }
  }

  deinit { sana_pool_destroy(pool) }

  /// Threads that work, the caller included.
  var size: Int { sana_pool_size(pool) }

  /// Calls the body once for every index below `count`, on any thread, in any order; `worker` tells apart calls that may run at
  /// the same time and is less than `size`. Returns when all calls have, or early when the work is
  /// cancelled.
  func forEach(_ count: Int, _ body: (_ index: Int, _ worker: Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      var body = body
      withUnsafeMutablePointer(to: &body) { context in
        sana_pool_run(
          pool, count,
          { context, index, worker in
            context?.assumingMemoryBound(to: ((Int, Int) -> Void).self).pointee(index, worker)
          }, context)
      }
    }
  }

  /// Cuts `0 ..< count` into ranges of at least `minimum` (but for the last), a few for each thread.
  func forEachRange(_ count: Int, minimum: Int, _ body: (_ range: Range<Int>) -> Void) {
    let pieces = max(1, min(size * 4, count / max(minimum, 1)))
    let length = (count + pieces - 1) / pieces
    guard length > 0 else { return }
    forEach((count + length - 1) / length) { index, _ in
      body(index * length..<min((index + 1) * length, count))
    }
  }
}

extension ThreadPool: LoopRunner {
  var workers: Int { size }
}
