import TestSupport
import CPUBackend
import Dispatch
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

  @Test func anOperationEndsBeforeItsTime() throws {
    let clock = ContinuousClock()
    let token = CancellationToken()
    let executable = try product(token)
    let whole = try clock.measure { try executable.run(observer: nil) }

    let delay =
      whole.components.attoseconds / 10_000_000_000 + whole.components.seconds * 100_000_000
    DispatchQueue.global().asyncAfter(deadline: .now() + .nanoseconds(Int(delay))) {
      token.cancel()
    }
    let cut = clock.measure {
      let error = #expect(throws: SanaError.self) {
        try executable.run(RunContext(cancellation: token))
      }
      #expect(error?.code == .cancelled)
    }
    #expect(cut < whole / 2, "\(cut) of \(whole)")
  }

  @Test func aModelThatIsLoadedInVainSaysSo() throws {
    let token = CancellationToken()
    token.cancel()
    let error = #expect(throws: SanaError.self) { try product(token) }
    #expect(error?.code == .cancelled)
  }
}
