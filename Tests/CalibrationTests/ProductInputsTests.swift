import CPUBackend
import Foundation
import ReferenceBackend
import SanaEngine
import SanaGraph
import SanaModels
import Support
import TestSupport
import Testing
import Traces
import WeightFormats

@testable import Calibration

/// A graph of two products with one input, a third, and a convolution.
private struct SmallNetwork {
  let graph: Graph
  let input: Value
  let hidden: Value
  let source: MemorySource

  init(fusion: GraphBuilder.Fusion = .observable, seed: UInt64 = 1) {
    var random = SplitMix(seed: seed)
    var builder = GraphBuilder(name: "small", fusion: fusion)
    input = builder.input("input", Shape(batch: 2, height: 3, width: 5, channels: 16))
    let first = builder.linear(input, weight: Parameter("first", [16, 16]))
    let second = builder.linear(input, weight: Parameter("second", [16, 16]), residual: first)
    hidden = builder.activate(second, .silu)
    let third = builder.linear(hidden, weight: Parameter("third", [8, 16]))
    let output = builder.convolution(third, weight: Parameter("kernel", [4, 3, 3, 8]))
    graph = builder.finish(outputs: [output, hidden, third])
    source = MemorySource(
      graph.parameters.map {
        StoredTensor(
          $0.name, shape: $0.shape, random.floats($0.shape.reduce(1, *)), encoding: .f32)
      })
  }
}

@Suite struct ProductInputsTests {
  /// Of several runs, every row of an input counts, and those kept are the network's own.
  @Test(arguments: [1, 3, 17, 1000])
  func rowsAndWhatTheyHaveInCommonAreThoseOfTheNetwork(rowCount: Int) throws {
    try withTemporaryDirectory { directory in
      let network = SmallNetwork()
      let executable = try CPUBackend().load(network.source).prepare(network.graph)
      let writer = try TraceWriter(path: directory.path("statistics.h5"))
      let inputs = ProductInputs(to: writer, rowCount: rowCount)
      inputs.expect(network.graph, of: .transformer, times: 3)
      var context = RunContext()
      context.operandObserver = {
        try inputs.observe($0, $1, of: .transformer, $2)
      }
      var random = SplitMix(seed: 7)
      var hidden: [Float] = []
      for _ in 0..<3 {
        let shape = network.graph[network.input].shape
        executable.write(
          HostTensor(shape, random.floats(shape.elementCount)), to: network.input)
        try executable.run(context)
        hidden += executable.read(network.hidden).values
      }
      let found = try inputs.finish()
      try writer.finish()
      #expect(found.map(\.weights) == [["first", "second"], ["third"], ["kernel"]])
      #expect(found.map(\.seenRows) == [90, 90, 90])
      #expect(found.map(\.rows) == [min(rowCount, 90), min(rowCount, 90), 0])

      let file = try TraceFile(path: directory.path("statistics.h5"))
      let rows = try file.floats("products/1/rows")
      let seen = (0..<90).map { Array(hidden[$0 * 16..<($0 + 1) * 16]) }
      var next = 0
      for row in (0..<rows.shape[0]).map({ rows[$0].values }) {
        // In the order in which they came.
        let place = try #require(seen[next...].firstIndex(of: row))
        next = place + 1
      }
      let maxima = (0..<16).map { column in seen.map { abs($0[column]) }.max() ?? 0 }
      #expect(try file.floats("products/1/maxima").values == maxima)
      let squares = try file.floats("products/1/mean_squares").values
      for column in 0..<16 {
        let mean = seen.reduce(0) { $0 + Double($1[column]) * Double($1[column]) } / 90
        #expect(abs(Double(squares[column]) - mean) <= 1e-6 * mean)
      }
    }
  }

  /// Both back ends show an observer what a node is about to read, also where memory is taken over.
  @Test func operandsAreThoseThatTheNodeReads() throws {
    let network = SmallNetwork()
    let shape = network.graph[network.input].shape
    var random = SplitMix(seed: 3)
    let values = random.floats(shape.elementCount)
    func operands(_ backend: any Backend) throws -> [[Float]] {
      let executable = try backend.load(network.source).prepare(network.graph)
      executable.write(HostTensor(shape, values), to: network.input)
      var operands: [[Float]] = []
      var context = RunContext()
      context.operandObserver = { node, _, read in
        operands += node.operation.payload.inputs.map { read($0).values }
      }
      try executable.run(context)
      #expect(operands.first == values)
      return operands
    }
    let (cpu, reference) = (try operands(CPUBackend()), try operands(ReferenceBackend()))
    #expect(cpu.count == reference.count)
    for (cpu, reference) in zip(cpu, reference) {
      #expect(try Comparison(reference: reference, result: cpu).signalToNoiseDecibels > 100)
    }
  }

  @Test func rowsThatAreLeftOutDoNotCount() throws {
    try withTemporaryDirectory { directory in
      let network = SmallNetwork()
      let executable = try CPUBackend().load(network.source).prepare(network.graph)
      let writer = try TraceWriter(path: directory.path("statistics.h5"))
      let inputs = ProductInputs(to: writer, rowCount: 100)
      inputs.expect(network.graph, of: .transformer, skippingRows: 28)
      inputs.skipRows(28)
      var context = RunContext()
      context.operandObserver = { try inputs.observe($0, $1, of: .transformer, $2) }
      let shape = network.graph[network.input].shape
      let values = (0..<shape.elementCount).map { Float($0) }
      executable.write(HostTensor(shape, values), to: network.input)
      try executable.run(context)
      #expect(try inputs.finish().map(\.seenRows) == [2, 2, 2])
      try writer.finish()
      let file = try TraceFile(path: directory.path("statistics.h5"))
      #expect(try file.floats("products/0/rows").values == Array(values.suffix(32)))
    }
  }

  @Test func anInputThatIsNoNumberIsRefusedByTheNameOfItsWeight() throws {
    try withTemporaryDirectory { directory in
      let network = SmallNetwork()
      let executable = try CPUBackend().load(network.source).prepare(network.graph)
      let inputs = ProductInputs(
        to: try TraceWriter(path: directory.path("statistics.h5")), rowCount: 10)
      inputs.expect(network.graph, of: .transformer)
      var context = RunContext()
      context.operandObserver = { try inputs.observe($0, $1, of: .transformer, $2) }
      let shape = network.graph[network.input].shape
      executable.write(
        HostTensor(shape, [Float](repeating: .nan, count: shape.elementCount)),
        to: network.input)
      try executable.run(context)
      let error = #expect(throws: SanaError.self) { try inputs.finish() }
      #expect(error?.code == .numericalFailure)
      #expect(error?.message.contains("'first'") == true)
    }
  }
}
