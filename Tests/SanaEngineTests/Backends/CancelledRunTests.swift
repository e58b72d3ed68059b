import TestSupport
import CPUBackend
import Foundation
import SanaEngine
import SanaGraph
import Support
import Testing

/// A cancellation ends the operation that it finds, not only the run.
@Suite struct CancelledRunTests {
  /// One product that takes a while, of numbers that are all zero.
  private func product(_ cancellation: CancellationToken) throws -> any Executable {
    let width = 2048
    var builder = GraphBuilder(name: "product")
    let input = builder.input("x", .tokens(batch: 1, count: 24_000, channels: width))
    let output = builder.linear(input, weight: Parameter("w", [width, width]))
    var source = MemorySource()
    source.add("w", [width, width], [Float](repeating: 0, count: width * width))
    return try CPUBackend(threads: 1).load(source)
      .prepare(
        builder.finish(outputs: [output]), .init(), RunContext(cancellation: cancellation))
  }

  /// Processor time that the calling thread has used, in seconds: other work on the machine does
  /// not count.
  private func processorTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  @Test func anOperationEndsBeforeItsTime() throws {
    let token = CancellationToken()
    let executable = try product(token)
    let (clock, start) = (ContinuousClock(), processorTime())
    let elapsed = try clock.measure { try executable.run(observer: nil) }
    let whole = processorTime() - start

    let delay = elapsed / .seconds(1) / 10
    Thread.detachNewThread {
      Thread.sleep(forTimeInterval: delay)
      token.cancel()
    }
    let startOfCut = processorTime()
    let error = #expect(throws: SanaError.self) {
      try executable.run(RunContext(cancellation: token))
    }
    #expect(error?.code == .cancelled)
    let cut = processorTime() - startOfCut
    #expect(cut < whole * 0.75, "\(cut) of \(whole) s")
  }

  @Test func aModelThatIsLoadedInVainSaysSo() throws {
    let token = CancellationToken()
    token.cancel()
    let error = #expect(throws: SanaError.self) { try product(token) }
    #expect(error?.code == .cancelled)
  }
}
