import TestSupport
import ReferenceBackend
import SanaEngine
import SanaGraph
import Testing

@Suite struct GraphBuilderTests {
  private func gatedLinear(_ fusion: GraphBuilder.Fusion) -> Graph {
    var builder = GraphBuilder(name: "gated linear", fusion: fusion)
    let input = builder.input("x", .tokens(batch: 1, count: 3, channels: 2))
    let gates = builder.input("gates", .tokens(batch: 1, count: 1, channels: 4))
    let output = builder.linear(
      input, weight: Parameter("w", [2, 2]), gate: ModulationRow(gates, 1), residual: input,
      name: "product")
    builder.name(output, "block")
    builder.name(output, "stage")
    return builder.finish(outputs: [output])
  }

  @Test func fusionTakesTheProductsValueAway() {
    let graph = gatedLinear(.full)
    #expect(graph.nodes.count == 1)
    #expect(graph.value(named: "product") == nil)
  }

  @Test func observableGraphsKeepTheProduct() {
    let graph = gatedLinear(.observable)
    #expect(graph.nodes.map(\.operation.kind) == ["linear", "gatedResidual"])
    #expect(graph.value(named: "product") == graph.nodes[0].output)
  }

  @Test func aValueIsFoundUnderEachOfItsNames() {
    let graph = gatedLinear(.full)
    #expect(graph.value(named: "block") == graph.outputs[0])
    #expect(graph.value(named: "stage") == graph.outputs[0])
  }

  @Test func theObserverHearsEveryName() throws {
    let graph = gatedLinear(.observable)
    var source = MemorySource()
    source.add("w", [2, 2], [1, 0, 0, 1])
    let executable = try ReferenceBackend().load(source).prepare(graph)
    executable.write(
      HostTensor(graph[graph.inputs[0]].shape, [1, 2, 3, 4, 5, 6]), to: graph.inputs[0])
    executable.write(
      HostTensor(graph[graph.inputs[1]].shape, [0, 0, 10, 100]), to: graph.inputs[1])
    var observed: [String: [Float]] = [:]
    try executable.run { observed[$0] = $1.values }
    let sum: [Float] = [11, 202, 33, 404, 55, 606]
    #expect(observed == ["product": [1, 2, 3, 4, 5, 6], "block": sum, "stage": sum])
  }
}
