import Synchronization

/// Collects the progress that a long operation reports from any thread.
final class Reports: Sendable {
  private let collected = Mutex<[Int]>([])

  func add(_ value: Int) { collected.withLock { $0.append(value) } }

  var values: [Int] { collected.withLock { $0 } }
}
