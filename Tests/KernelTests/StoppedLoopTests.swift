import CKernels
import Synchronization
import Testing

/// What becomes of a pool's loops once somebody raises the flag that it observes.
@Suite struct StoppedLoopTests {
  private final class Loop: Sendable {
    let begun = Atomic(0)
    let stopAfter: Int
    nonisolated(unsafe) let flag: UnsafeMutablePointer<sana_flag>

    init(stopAfter: Int) {
      self.stopAfter = stopAfter
      flag = .allocate(capacity: 1)
      flag.initialize(to: sana_flag())
    }

    deinit { flag.deallocate() }
  }

  private func run(_ loop: Loop, on pool: OpaquePointer, count: Int) {
    sana_pool_run(
      pool, count,
      { context, _, _ in
        guard let context else { return }
        let loop = Unmanaged<Loop>.fromOpaque(context).takeUnretainedValue()
        if loop.begun.add(1, ordering: .relaxed).newValue == loop.stopAfter {
          sana_flag_raise(loop.flag)
        }
      }, Unmanaged.passUnretained(loop).toOpaque())
  }

  @Test(arguments: [1, 2, 5])
  func tasksThatHaveNotBegunNeverDo(threads: Int) throws {
    let pool = try #require(sana_pool_create(threads, 2))
    defer { sana_pool_destroy(pool) }
    let loop = Loop(stopAfter: 1000)
    sana_pool_observe(pool, loop.flag)
    run(loop, on: pool, count: 400)
    #expect(loop.begun.load(ordering: .relaxed) == 400)
    run(loop, on: pool, count: 10_000_000)
    let begun = loop.begun.load(ordering: .relaxed)
    // Others may go on for as long as the flag takes to reach them.
    #expect(1000..<100_000 ~= begun)
    run(loop, on: pool, count: 1)
    run(loop, on: pool, count: 100)
    #expect(loop.begun.load(ordering: .relaxed) == begun)
    _ = consume loop
  }
}
