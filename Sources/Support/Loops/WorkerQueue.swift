internal import Dispatch
internal import Synchronization

/// Runs jobs on threads of its own, begun in the order they came in.
final class WorkerQueue: Sendable {
  private final class Jobs: Sendable {
    private let waiting = Mutex<[@Sendable () -> Void]>([])
    /// Counts the jobs, and the threads that are to end.
    private let available = DispatchSemaphore(value: 0)

    func append(_ job: @escaping @Sendable () -> Void) {
      waiting.withLock { $0.append(job) }
      available.signal()
    }

    func end(threads: Int) {
      for _ in 0..<threads { available.signal() }
    }

    /// Runs jobs until it is woken for none.
    func work() {
      while true {
        available.wait()
        let job = waiting.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        guard let job else { return }
        job()
      }
    }
  }

  private let jobs = Jobs()
  private let threads: [WorkerThread]

  /// - Parameter count: how many threads; fewer where the system refuses more.
  init(threads count: Int) {
    var threads: [WorkerThread] = []
    while threads.count < count, let thread = WorkerThread({ [jobs] in jobs.work() }) {
      threads.append(thread)
    }
    self.threads = threads
  }

  /// The threads finish the jobs that wait, and end.
  deinit { jobs.end(threads: threads.count) }

  /// Runs a job on one of the threads; at once and on the calling one where there are none.
  func async(_ job: @escaping @Sendable () -> Void) {
    if threads.isEmpty { job() } else { jobs.append(job) }
  }
}
