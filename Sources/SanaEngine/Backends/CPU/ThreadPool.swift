internal import CKernels
internal import SanaGraph
internal import Support

/// The threads of a back end.
final class ThreadPool {
  private let pool: OpaquePointer
  /// - Throws: `SanaError` `.memoryLimit` when the system has no memory for it.
  init(threads: Int) throws {
    guard
      let pool = sana_pool_create(max(threads, 1), AvailableProcessors.current.count)
    else {
      throw SanaError(
        .memoryLimit, "there is no memory for \(threads) threads", remedy: "ask for fewer threads")
    }
    self.pool = pool
  }

  deinit { sana_pool_destroy(pool) }

  /// Calls the body while loops leave undone what they have not begun once the work is cancelled,
  /// so that whoever uses their results must ask the cancellation first.
  func observing<Result>(
    _ cancellation: CancellationToken?, _ body: () throws -> Result
  ) rethrows -> Result {
    sana_pool_observe(pool, cancellation?.raisedFlag)
    defer { sana_pool_observe(pool, nil) }
    return try withExtendedLifetime(cancellation, body)
  }

  /// Lets one thread do something while the others share the loops that follow. One errand at a
  /// time, each of them followed by `settle`.
  /// - Parameter errand: kept until then by the caller.
  func send(_ errand: PoolErrand) {
    sana_pool_send(
      pool,
      { context in
        guard let context else { return }
        Unmanaged<PoolErrand>.fromOpaque(context).takeUnretainedValue().body()
      }, Unmanaged.passUnretained(errand).toOpaque())
  }

  /// Waits for the errand's end; false when no thread has begun it, and none will.
  func settle() -> Bool { sana_pool_settle(pool) }

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

/// What one thread of a pool does beside its loops.
final class PoolErrand {
  let body: () -> Void
  init(_ body: @escaping () -> Void) { self.body = body }
}
