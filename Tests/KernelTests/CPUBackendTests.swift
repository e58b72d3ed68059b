import TestSupport
import CPUBackend
import SanaEngine
import SanaGraph
import Support
import Testing
import WeightFormats

@Suite struct CPUBackendTests {
  private let graph = OperationCase.products[2].graph

  private func error(_ body: () throws -> Void) -> SanaError? {
    do {
      try body()
      return nil
    } catch { return error as? SanaError }
  }

  @Test func aMissingWeightIsNamed() throws {
    var builder = GraphBuilder(name: "other")
    let x = builder.input("x", .tokens(batch: 1, count: 2, channels: 8))
    let y = builder.linear(x, weight: Parameter("absent", [4, 8]))
    let other = builder.finish(outputs: [y])
    let model = try CPUBackend(threads: 1).load(MemorySource(randomFor: graph, encoding: .f32))
    let error = error { _ = try model.prepare(other) }
    #expect(error?.code == .tensorMismatch && error?.location == "absent")
  }

  @Test func aWeightOfAnotherShapeIsNamed() throws {
    var builder = GraphBuilder(name: "other")
    let x = builder.input("x", .tokens(batch: 1, count: 2, channels: 301))
    let y = builder.linear(x, weight: Parameter("w", [76, 301]))
    let other = builder.finish(outputs: [y])
    let model = try CPUBackend(threads: 1).load(MemorySource(randomFor: graph, encoding: .f32))
    let error = error { _ = try model.prepare(other) }
    #expect(error?.code == .tensorMismatch && error?.location == "w")
  }

  @Test(arguments: [ActivationEncoding.floatingPoint, .int8PerToken])
  func whatIsResidentIsWhatWasForetold(_ activations: ActivationEncoding) throws {
    let weights = MemorySource(
      randomFor: graph, encoding: .int8PerChannel, activations: activations)
    let backend = try CPUBackend(threads: 2)
    let plan = try backend.plan(graph, weights: weights)
    let model = backend.load(weights)
    #expect(model.residentBytes == 0)
    let executable = try model.prepare(graph)
    #expect(model.residentBytes == plan.residentBytes)
    #expect(backend.ledger.usedBytes(for: .weights) == plan.residentBytes)
    #expect(backend.ledger.usedBytes == plan.residentBytes + executable.plan.arenaBytes)
    #expect(executable.plan.arenaBytes == plan.arenaBytes)
  }

  @Test func aCancelledRunStops() throws {
    let token = CancellationToken()
    let backend = try CPUBackend(threads: 2)
    let executable = try backend.load(MemorySource(randomFor: graph, encoding: .f32)).prepare(graph)
    token.cancel()
    #expect(error { try executable.run(RunContext(cancellation: token)) }?.code == .cancelled)
  }

  @Test func anArenaBeyondAllMemoryIsRefused() throws {
    var builder = GraphBuilder(name: "huge")
    let x = builder.input("x", .tokens(batch: 1 << 20, count: 1 << 20, channels: 1 << 10))
    let huge = builder.finish(outputs: [builder.activate(x, .relu)])
    let model = try CPUBackend(threads: 1).load(MemorySource(randomFor: huge, encoding: .f32))
    #expect(error { _ = try model.prepare(huge) }?.code == .memoryLimit)
  }

  @Test(arguments: InstructionSet.supported)
  func aRowThatIsNotFiniteDoesNotBecomeFinite(_ set: InstructionSet) throws {
    let weights = MemorySource(
      randomFor: graph, encoding: .int8PerChannel, activations: .int8PerToken)
    let backend = try CPUBackend(threads: 2, instructionSet: set)
    let executable = try backend.load(weights).prepare(graph)
    for input in graph.inputs {
      let shape = graph[input].shape
      var values = [Float](repeating: 0.5, count: shape.elementCount)
      if input == graph.inputs[0] { values[3 * shape.channels + 7] = .nan }
      executable.write(HostTensor(shape, values), to: input)
    }
    try executable.run(observer: nil)
    let output = executable.read(graph.outputs[0])
    let channels = output.shape.channels
    for (index, value) in output.values.enumerated() {
      #expect(value.isNaN == (index / channels == 3))
    }
  }
}
