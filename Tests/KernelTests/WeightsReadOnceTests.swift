import TestSupport
import CPUBackend
import SanaEngine
import SanaGraph
import Support
import Synchronization
import Testing
import WeightFormats

/// A weight that does not stay gives what it gives when it is resident.
@Suite struct WeightsReadOnceTests {
  private final class Counter: Sendable {
    private let count = Mutex(0)

    var value: Int { count.withLock { $0 } }

    func increment() { count.withLock { $0 += 1 } }
  }

  private func graph(
    rows: Int, columns: Int, outputs: Int
  ) -> (Graph, input: Value, output: Value) {
    var builder = GraphBuilder(name: "linear")
    let x = builder.input("x", .tokens(batch: 1, count: rows, channels: columns))
    let residual = builder.input("residual", .tokens(batch: 1, count: rows, channels: outputs))
    let product = builder.linear(
      x, weight: Parameter("w", [outputs, columns]),
      bias: Parameter("b", [outputs]), activation: .silu)
    let y = builder.add(product, residual)
    return (builder.finish(outputs: [y]), x, y)
  }

  private func run(
    rows: Int, columns: Int, outputs: Int, _ residency: Residency, _ encoding: TensorEncoding,
    _ activations: ActivationEncoding, _ set: InstructionSet
  ) throws -> [UInt32] {
    let (graph, _, output) = graph(rows: rows, columns: columns, outputs: outputs)
    let weights = MemorySource(randomFor: graph, encoding: encoding, activations: activations)
    let executable = try CPUBackend(threads: 3, instructionSet: set).load(weights)
      .prepare(graph, ExecutionChoices(residency: residency))
    var random = SplitMix(seed: UInt64(rows + columns + outputs))
    for input in graph.inputs {
      executable.write(
        HostTensor(graph[input].shape, random.floats(graph[input].shape.elementCount)), to: input)
    }
    try executable.run(observer: nil)
    return executable.read(output).values.map(\.bitPattern)
  }

  @Test(arguments: InstructionSet.supported)
  func theResultIsThatOfAResidentWeight(_ set: InstructionSet) throws {
    var random = SplitMix(seed: 11)
    let encodings: [(TensorEncoding, ActivationEncoding)] = [
      (.int8PerChannel, .int8PerToken), (.int8PerChannel, .floatingPoint), (.f16, .floatingPoint),
      (.f16, .int8PerToken), (.bf16, .int8PerToken),
      (.int4Grouped(groupSize: 32), .floatingPoint),
    ]
    var sizes = [(1, 4, 1), (13, 1024, 1100), (2100, 36, 70), (5, 11_000, 65)]
    for _ in 0..<6 {
      sizes.append(
        (
          Int.random(in: 1...60, using: &random), Int.random(in: 1...700, using: &random),
          Int.random(in: 1...300, using: &random)
        ))
    }
    for (rows, columns, outputs) in sizes {
      for (encoding, activations) in encodings {
        let once = try run(
          rows: rows, columns: columns, outputs: outputs, .once, encoding, activations, set)
        let whole = try run(
          rows: rows, columns: columns, outputs: outputs, .resident, encoding, activations, set)
        #expect(once == whole, "\(rows) x \(columns) -> \(outputs), \(encoding)")
        let streamed = try run(
          rows: rows, columns: columns, outputs: outputs, .streamed(weightBytes: 0), encoding,
          activations, set)
        #expect(streamed == whole, "\(rows) x \(columns) -> \(outputs), \(encoding)")
      }
    }
  }

  @Test func itIsLoadedForEveryRunAndNeverResident() throws {
    let (graph, _, _) = graph(rows: 3, columns: 64, outputs: 32)
    let loads = Counter()
    let weights = MemorySource(
      over: MemorySource(
        randomFor: graph, encoding: .int8PerChannel, activations: .int8PerToken)
    ) { if $0 == "w" { loads.increment() } }
    let backend = try CPUBackend(threads: 1)
    let model = backend.load(weights)
    let executable = try model.prepare(graph, ExecutionChoices(residency: .once))
    #expect(loads.value == 0)
    let bias = try #require(weights.description(of: "b"))
    #expect(model.residentBytes == bias.elementCount * MemoryLayout<Float>.size)
    try executable.run(observer: nil)
    try executable.run(observer: nil)
    #expect(loads.value == 2)
  }

  @Test func whatLoadingThrowsEndsTheRun() throws {
    let (graph, _, _) = graph(rows: 3, columns: 64, outputs: 32)
    let weights = MemorySource(over: MemorySource(randomFor: graph, encoding: .f16)) {
      guard $0 == "w" else { return }
      throw SanaError(.corruptFile, "is damaged", remedy: "fetch it again")
    }
    for residency in [Residency.once, .streamed(weightBytes: 0)] {
      let executable = try CPUBackend(threads: 2).load(weights)
        .prepare(graph, ExecutionChoices(residency: residency))
      let error = #expect(throws: SanaError.self) { try executable.run(observer: nil) }
      #expect(error?.code == .corruptFile)
    }
  }

  /// One segment reads what another one read before.
  @Test func aWeightOfSeveralPartsIsThereForEach() throws {
    var builder = GraphBuilder(name: "twice")
    var value = builder.input("x", .tokens(batch: 1, count: 20, channels: 64))
    for _ in 0..<3 {
      for name in ["w", "v"] {
        value = builder.linear(value, weight: Parameter(name, [64, 64]), activation: .silu)
      }
      builder.endSegment()
    }
    let graph = builder.finish(outputs: [value])
    let weights = MemorySource(
      randomFor: graph, encoding: .int8PerChannel, activations: .int8PerToken)
    func run(_ residency: Residency) throws -> [Float] {
      let executable = try CPUBackend(threads: 2).load(weights)
        .prepare(graph, ExecutionChoices(residency: residency))
      var random = SplitMix(seed: 5)
      executable.write(
        HostTensor(graph[graph.inputs[0]].shape, random.floats(20 * 64)), to: graph.inputs[0])
      try executable.run()
      return executable.read(value).values
    }
    let resident = try run(.resident)
    for residency in [
      Residency.once, .streamed(weightBytes: 0), .streamed(weightBytes: 10_000),
      .streamed(weightBytes: 1 << 20),
    ] {
      #expect(try run(residency) == resident, "\(residency)")
    }
  }
}
