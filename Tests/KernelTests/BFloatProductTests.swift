import TestSupport
import CKernels
import CPUBackend
import ReferenceBackend
import SanaEngine
import SanaGraph
import Testing

/// Products of bf16 weights where the processor has instructions for them: activations are rounded to bf16, sums are f32.
@Suite struct BFloatProductTests {
  private static let sets = InstructionSet.supported.filter { $0 == .avx512bf16 }

  private func run(
    _ graph: Graph, on backend: some Backend, _ input: [Float], rounded: Bool
  ) throws -> [Float] {
    let executable = try backend.load(MemorySource(randomFor: graph, encoding: .bf16)).prepare(
      graph)
    var values = input
    if rounded {
      var halves = [UInt16](repeating: 0, count: input.count)
      sana_f32_to_bf16(input, &halves, input.count)
      sana_bf16_to_f32(halves, &values, input.count)
    }
    executable.write(HostTensor(graph[graph.inputs[0]].shape, values), to: graph.inputs[0])
    try executable.run(observer: nil)
    return executable.read(graph.outputs[0]).values
  }

  private func compare(_ graph: Graph, _ set: InstructionSet, _ random: inout SplitMix) throws {
    let input = random.floats(graph[graph.inputs[0]].shape.elementCount)
    let actual = try run(
      graph, on: CPUBackend(threads: 2, instructionSet: set), input, rounded: false)
    let rounded = try run(graph, on: ReferenceBackend(), input, rounded: true)
    // What is left is the rounding of the sums.
    let decibels = signalToNoise(actual, rounded)
    #expect(decibels >= 110, "\(graph.name): \(decibels) dB")
    for threads in [1, 3] {
      let again = try run(
        graph, on: CPUBackend(threads: threads, instructionSet: set), input, rounded: false)
      #expect(again == actual, "\(graph.name) depends on the number of threads")
    }
    let exact = try run(graph, on: ReferenceBackend(), input, rounded: false)
    let inFull = try run(
      graph, on: CPUBackend(threads: 2, precision: .f32, instructionSet: set), input,
      rounded: false)
    #expect(signalToNoise(inFull, exact) >= 110, "\(graph.name) in f32")
  }

  private func linear(rows: Int, columns: Int, outputs: Int) -> Graph {
    var builder = GraphBuilder(name: "\(rows) x \(columns) to \(outputs)")
    let x = builder.input("x", .tokens(batch: 1, count: rows, channels: columns))
    let y = builder.linear(
      x, weight: Parameter("w", [outputs, columns]), bias: Parameter("b", [outputs]),
      activation: .silu)
    return builder.finish(outputs: [y])
  }

  @Test(arguments: sets) func onlyTheActivationsAreRounded(_ set: InstructionSet) throws {
    var random = SplitMix(seed: 23)
    // More positions than the product of few takes, which is in f32.
    for (rows, columns, outputs) in [
      (9, 1, 1), (12, 2, 16), (13, 3, 17), (25, 1024, 32), (11, 1025, 33), (40, 2061, 257),
      (800, 31, 12),
    ] {
      try compare(linear(rows: rows, columns: columns, outputs: outputs), set, &random)
    }
    for _ in 0..<12 {
      let graph = linear(
        rows: Int.random(in: 9...90, using: &random),
        columns: Int.random(in: 1...700, using: &random),
        outputs: Int.random(in: 1...150, using: &random))
      try compare(graph, set, &random)
    }
  }

  @Test(arguments: sets) func convolutionsRoundTheirPatches(_ set: InstructionSet) throws {
    var random = SplitMix(seed: 29)
    for graph in PatchConvolutions.graphs { try compare(graph, set, &random) }
    var builder = GraphBuilder(name: "upsampling")
    let x = builder.input("x", Shape(batch: 2, height: 5, width: 6, channels: 71))
    let y = builder.upsampleConvolution(
      x, weight: Parameter("w", [4 * 19, 2, 2, 71]), bias: Parameter("b", [19]))
    try compare(builder.finish(outputs: [y]), set, &random)
  }
}
