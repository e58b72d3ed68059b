import CKernels
import Synchronization
import TestSupport
import Testing

@Suite struct ThreadPoolTests {
  /// What the tasks of a loop leave behind.
  private struct Loop {
    let results: UnsafeMutablePointer<UInt64>
    /// Calls of each worker that run.
    let running: UnsafeMutablePointer<Int>
    let rounds: UInt64
  }

  /// Runs a loop and checks that every task ran once, and that no two with the same worker ran at
  /// the same time.
  private func run(_ pool: OpaquePointer, count: Int, rounds: UInt64) {
    let workers = sana_pool_size(pool)
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: max(count, 1)) { results in
      withUnsafeTemporaryAllocation(of: Int.self, capacity: workers) { running in
        results.initialize(repeating: 0)
        running.initialize(repeating: 0)
        guard let first = results.baseAddress, let start = running.baseAddress else { return }
        var loop = Loop(results: first, running: start, rounds: rounds)
        sana_pool_run(
          pool, count,
          { context, index, worker in
            guard let loop = context?.assumingMemoryBound(to: Loop.self).pointee else { return }
            loop.running[worker] += 1
            let overlaps = loop.running[worker] != 1
            loop.results[index] &+= overlaps ? 0 : ThreadPoolTests.result(index, loop.rounds)
            loop.running[worker] -= 1
          }, &loop)
        for index in 0..<count where results[index] != Self.result(index, rounds) {
          Issue.record("task \(index) of \(count) did not run once")
        }
        #expect(running.allSatisfy { $0 == 0 })
      }
    }
  }

  private static func result(_ index: Int, _ rounds: UInt64) -> UInt64 {
    (0...rounds).reduce(UInt64(index) + 1) { ($0 ^ $1) &* 6_364_136_223_846_793_005 | 1 }
  }

  @Test(arguments: [1, 2, 5]) func everyIndexRunsOnce(threads: Int) throws {
    let pool = try #require(sana_pool_create(threads, threads))
    defer { sana_pool_destroy(pool) }
    #expect(sana_pool_size(pool) == threads)
    for count in [0, 1, 2, 3, 100, 1000] { run(pool, count: count, rounds: 0) }
  }

  /// Thousands of loops that follow each other at once, so that threads come late to most of them,
  /// with more threads than processors and with threads that do not know that there are more.
  @Test(arguments: [2, 3, 40], [1, 64])
  func loopsOfAllSizesRunEveryTaskOnce(threads: Int, processors: Int) throws {
    let pool = try #require(sana_pool_create(threads, processors))
    defer { sana_pool_destroy(pool) }
    var random = SplitMix(seed: UInt64(threads * 100 + processors))
    for _ in 0..<3000 {
      let isLong = random.next() % 16 == 0
      run(
        pool, count: Int(random.next() % (isLong ? 400 : 6)),
        rounds: random.next() % (isLong ? 20 : 300))
    }
  }

  @Test func callersTakeTurns() async throws {
    let pool = try #require(sana_pool_create(4, 64))
    defer { sana_pool_destroy(pool) }
    nonisolated(unsafe) let shared = pool
    await withTaskGroup(of: Void.self) { group in
      for caller in 0..<3 {
        group.addTask {
          for round in 0..<500 {
            run(shared, count: (round + caller) % 9, rounds: UInt64(round % 50))
          }
        }
      }
    }
  }

  @Test func poolsEndWithTheirThreadsAsleepOrNot() throws {
    for round in 0..<200 {
      let pool = try #require(sana_pool_create(1 + round % 7, round % 2 == 0 ? 64 : 1))
      if round % 3 > 0 { run(pool, count: round % 11, rounds: 10) }
      sana_pool_destroy(pool)
    }
  }
}
