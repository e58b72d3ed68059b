import TestSupport
import CPUBackend
import ReferenceBackend
import SanaEngine
import SanaGraph
import Testing
import WeightFormats

/// Residual blocks, which the CPU computes band by band in the place of their input.
@Suite struct ResidualBlockTests {
  struct BlockCase: Sendable, CustomTestStringConvertible {
    let shape: Shape
    let hidden: Int
    /// Whether the block's input is made in the graph, so that its place can be taken over.
    let isInPlace: Bool

    var testDescription: String { "\(shape), hidden \(hidden)\(isInPlace ? ", in place" : "")" }

    func graph(_ fusion: GraphBuilder.Fusion) -> Graph {
      var builder = GraphBuilder(name: testDescription, fusion: fusion)
      let x = builder.input("x", shape)
      let input = isInPlace ? builder.activate(x, .geluTanh) : x
      let first = builder.convolution(
        input, weight: Parameter("v", [hidden, 3, 3, shape.channels]),
        bias: Parameter("b", [hidden]), activation: .silu)
      let second = builder.convolution(
        first, weight: Parameter("w", [shape.channels, 3, 3, hidden]))
      let output = builder.rmsNorm(
        second, weight: Parameter("n", [shape.channels]), bias: Parameter("c", [shape.channels]),
        epsilon: 1e-5, residual: input)
      return builder.finish(outputs: [output])
    }
  }

  /// One band each.
  static let small: [BlockCase] = {
    var random = SplitMix(seed: 29)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    return [
      BlockCase(
        shape: Shape(batch: 1, height: 1, width: 1, channels: 1), hidden: 1, isInPlace: true),
      BlockCase(
        shape: Shape(batch: 2, height: 7, width: 10, channels: 64), hidden: 64, isInPlace: true),
    ]
      + (0..<4).map { _ in
        BlockCase(
          shape: Shape(
            batch: pick(1...3), height: pick(1...13), width: pick(1...17), channels: pick(1...70)),
          hidden: pick(1...70), isInPlace: pick(0...1) == 0)
      }
  }()

  /// Several bands, with every remainder of rows behind the last whole band.
  static let banded: [BlockCase] =
    (8...18).map { height in
      BlockCase(
        shape: Shape(batch: height % 3 + 1, height: height, width: 2041 + height, channels: 3),
        hidden: 5, isInPlace: height % 4 != 0)
    } + [
      BlockCase(
        shape: Shape(batch: 1, height: 19, width: 2050, channels: 64), hidden: 32, isInPlace: true)
    ]

  private func run(
    _ graph: Graph, _ set: InstructionSet, _ activations: ActivationEncoding, threads: Int = 2
  ) throws -> [Float] {
    try outputs(
      of: graph, on: CPUBackend(threads: threads, instructionSet: set),
      weights: MemorySource(randomFor: graph, encoding: .int8PerChannel, activations: activations))
  }

  @Test(arguments: small + banded, InstructionSet.supported)
  func aBlockComputesWhatItsNodesCompute(_ block: BlockCase, _ set: InstructionSet) throws {
    for activations in [ActivationEncoding.floatingPoint, .int8PerToken] {
      let apart = try run(block.graph(.observable), set, activations)
      #expect(try run(block.graph(.full), set, activations) == apart)
    }
  }

  @Test(arguments: small, InstructionSet.supported)
  func aBlockAgreesWithTheReference(_ block: BlockCase, _ set: InstructionSet) throws {
    for (activations, minimum) in [(ActivationEncoding.floatingPoint, 105.0), (.int8PerToken, 50)] {
      let graph = block.graph(.full)
      let weights = MemorySource(
        randomFor: graph, encoding: .int8PerChannel, activations: activations)
      let reference = ReferenceBackend(winograd: set.winogradTile)
      let expected = try outputs(of: graph, on: reference, weights: weights)
      let decibels = signalToNoise(try run(graph, set, activations), expected)
      #expect(decibels >= minimum, "\(decibels) dB")
    }
  }

  @Test(arguments: banded) func resultsDoNotDependOnTheThreads(_ block: BlockCase) throws {
    let graph = block.graph(.full)
    for activations in [ActivationEncoding.floatingPoint, .int8PerToken] {
      let alone = try run(graph, .chosen(), activations, threads: 1)
      for threads in [2, 3, 8] {
        #expect(try run(graph, .chosen(), activations, threads: threads) == alone)
      }
    }
  }

  /// The input of the graph stays; beside it there is one image and a few bands.
  @Test func aBlockTakesOneImage() throws {
    let block = BlockCase(
      shape: Shape(batch: 1, height: 1024, width: 1024, channels: 32), hidden: 32, isInPlace: true)
    let graph = block.graph(.full)
    let weights = MemorySource(
      randomFor: graph, encoding: .int8PerChannel, activations: .int8PerToken)
    let image = graph[graph.inputs[0]].byteCount
    let backend = try CPUBackend(threads: 2)
    #expect(try backend.plan(graph, weights: weights).arenaBytes < image * 5 / 2)
    let apart = block.graph(.observable)
    #expect(try backend.plan(apart, weights: weights).arenaBytes >= image * 4)
  }
}
