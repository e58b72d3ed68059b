import CPUBackend
import ReferenceBackend
import SanaEngine
import SanaGraph
import Testing
import WeightFormats

/// DC-AE's attention over several scales, computed head by head.
@Suite struct MultiscaleAttentionTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var batch = 1
    let height: Int
    let width: Int
    var heads = 2
    var dimension = 32
    var kernels = [5]
    /// Whether there is a kernel for it.
    var isFused = true

    var testDescription: String {
      "\(batch)x\(height)x\(width), \(heads) heads of \(dimension), kernels \(kernels)"
    }

    static let all: [Case] = {
      var random = RandomNumbers(seed: 12)
      let byHand = [
        Case(batch: 2, height: 9, width: 11), Case(height: 1, width: 40),
        Case(height: 40, width: 1), Case(height: 12, width: 5, heads: 1),
        Case(height: 11, width: 60), Case(height: 11, width: 61, kernels: [3]),
        Case(height: 6, width: 7, kernels: [5, 3]), Case(height: 8, width: 9, kernels: [1, 7]),
        // More blocks of positions than are summed at once.
        Case(height: 64, width: 65, heads: 1),
        Case(height: 9, width: 9, kernels: [9], isFused: false),
        Case(height: 7, width: 8, dimension: 20, isFused: false),
        Case(height: 5, width: 17, heads: 3, dimension: 64),
      ]
      let randomCases = (0..<4).map { _ in
        Case(
          batch: Int.random(in: 1...2, using: &random),
          height: Int.random(in: 3...20, using: &random),
          width: Int.random(in: 12...70, using: &random),
          heads: Int.random(in: 1...4, using: &random),
          kernels: [Int.random(in: 0...3, using: &random) * 2 + 1])
      }
      return byHand + randomCases
    }()

    func graph(_ fusion: GraphBuilder.Fusion = .full) -> Graph {
      let channels = 3 * heads * dimension
      var builder = GraphBuilder(name: testDescription, fusion: fusion)
      let input = builder.input(
        "x", Shape(batch: batch, height: height, width: width, channels: channels))
      var scales = [input]
      for (index, kernel) in kernels.enumerated() {
        let gathered = builder.depthwiseConvolution(
          input, weight: Parameter("d\(index)", [kernel, kernel, channels]))
        scales.append(
          builder.groupedLinear(
            gathered, weight: Parameter("p\(index)", [channels, dimension]), groups: 3 * heads))
      }
      let all = builder.concatenateChannels(scales)
      let attended = builder.reluAttention(
        all, heads: heads * scales.count, headDimension: dimension, layout: .triples,
        form: .linear)
      return builder.finish(outputs: [attended])
    }
  }

  private func run(
    _ example: Case, _ fusion: GraphBuilder.Fusion = .full, on backend: some Backend,
    _ encoding: TensorEncoding
  ) throws -> [Float] {
    let graph = example.graph(fusion)
    let weights = RandomWeights(for: graph, encoding: encoding)
    let executable = try backend.load(weights).prepare(graph)
    var random = RandomNumbers(seed: 5)
    let shape = graph[graph.inputs[0]].shape
    executable.write(
      HostTensor(shape, random.floats(shape.elementCount)), to: graph.inputs[0])
    // What a run leaves must not matter to the next one.
    try executable.run(observer: nil)
    try executable.run(observer: nil)
    return executable.read(graph.outputs[0]).values
  }

  @Test(arguments: Case.all, InstructionSet.supported)
  func resultsAreThoseOfTheNodes(_ example: Case, _ set: InstructionSet) throws {
    for encoding in [TensorEncoding.f32, .f16] {
      let backend = try CPUBackend(threads: 2, instructionSet: set)
      let fused = try run(example, on: backend, encoding)
      #expect(try fused == run(example, .observable, on: backend, encoding), "\(encoding)")
      let alone = try CPUBackend(threads: 1, instructionSet: set)
      #expect(try fused == run(example, on: alone, encoding), "\(encoding)")
    }
  }

  @Test(arguments: Case.all, InstructionSet.supported)
  func resultsAgreeWithTheReference(_ example: Case, _ set: InstructionSet) throws {
    for encoding in [TensorEncoding.f32, .bf16] {
      let expected = try run(example, on: ReferenceBackend(), encoding)
      let backend = try CPUBackend(threads: 2, instructionSet: set)
      let decibels = signalToNoise(try run(example, on: backend, encoding), expected)
      // Unfused, the products' activations may be rounded to bf16.
      #expect(
        decibels >= (encoding == .f32 || example.isFused ? 110 : 45), "\(encoding): \(decibels) dB")
    }
  }

  @Test(arguments: Case.all) func aHeadIsOneStepWhereThereIsAKernel(_ example: Case) throws {
    let graph = example.graph()
    let backend = try CPUBackend(threads: 1)
    var steps: [Int] = []
    backend.onStep = { step, _ in steps.append(step.nodes.count) }
    try backend.load(RandomWeights(for: graph, encoding: .f32)).prepare(graph).run(observer: nil)
    let nodes = 2 * example.kernels.count + 2
    #expect(steps == (example.isFused ? [nodes] : Array(repeating: 1, count: nodes)))
  }

  @Test func thePlanHoldsNoScales() throws {
    let example = Case(height: 64, width: 64, heads: 8)
    func arenaBytes(_ fusion: GraphBuilder.Fusion) throws -> Int {
      let graph = example.graph(fusion)
      let weights = RandomWeights(for: graph, encoding: .f32)
      return try CPUBackend(threads: 2).plan(graph, weights: weights).arenaBytes
    }
    // The result of the nodes is preceded by everything concatenated.
    let inputBytes = 4 * 64 * 64 * 3 * 8 * 32
    #expect(try arenaBytes(.observable) >= 4 * inputBytes)
    #expect(try arenaBytes(.full) < 2 * inputBytes)
  }
}
