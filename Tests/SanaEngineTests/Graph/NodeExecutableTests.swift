import CPUBackend
import SanaEngine
import SanaGraph
import SanaModels
import TestSupport
import Testing
import WeightFormats

@Suite struct NodeExecutableTests {
  /// Node by node, a network makes the bits that it makes as a whole.
  @Test(arguments: [ComputePrecision.f32, .auto])
  func aGraphThatIsRunNodeByNodeMakesTheSameBits(precision: ComputePrecision) throws {
    let directory = try TestDirectory()
    let file = try ModelFile(path: ConvertedModels.make("sana-tiny", in: directory))
    guard case .transformer(let configuration) = try file.configuration(of: .transformer) else {
      Issue.record("no transformer")
      return
    }
    let source = try file.source(for: .transformer)
    let parts = LinearDiffusionTransformer(configuration).stepGraph(
      height: 4, width: 6, batch: 2, tokens: 5, fusion: .observable)
    let graph = parts.graph
    var random = SplitMix(seed: 3)
    var inputs: [Value: HostTensor] = [:]
    for value in graph.inputs {
      let shape = graph[value].shape
      inputs[value] =
        graph[value].precision == .i32
        ? HostTensor(shape, integers: (0..<shape.elementCount).map { Int32(3 + $0) })
        : HostTensor(shape, random.floats(shape.elementCount))
    }
    let backend = try CPUBackend(precision: precision)
    let executable = try backend.load(source).prepare(graph)
    for (value, tensor) in inputs { executable.write(tensor, to: value) }
    try executable.run()

    var values = LiveValues(graph, inputs)
    for position in graph.nodes.indices {
      let node = try NodeExecutable(graph, node: position, weights: source, on: backend)
      values.finish(node: position, try node.run(on: values).result)
    }
    #expect(values[parts.modelOutput].values == executable.read(parts.modelOutput).values)
    #expect(values.count == graph.outputs.count)
  }
}
