import TestSupport
import CPUBackend
import ReferenceBackend
import SanaEngine
import SanaGraph
import Testing

/// A product and the norm before it, which the CPU computes as one where the product has int8
/// activations.
struct ChainCase: Sendable, CustomTestStringConvertible {
  let name: String
  let build: @Sendable (inout GraphBuilder) -> Value

  var testDescription: String { name }

  func graph(_ fusion: GraphBuilder.Fusion) -> Graph {
    var builder = GraphBuilder(name: name, fusion: fusion)
    let output = build(&builder)
    return builder.finish(outputs: [output])
  }

  private static func normalized(
    _ shape: Shape, _ builder: inout GraphBuilder
  ) -> Value {
    let x = builder.input("x", shape)
    let modulation = builder.input(
      "m", .tokens(batch: shape.batch, count: 1, channels: 3 * shape.channels))
    return builder.modulatedLayerNorm(
      x, shift: ModulationRow(modulation, 2), scale: ModulationRow(modulation, 0), epsilon: 1e-6)
  }

  private static func product(_ shape: Shape, outputs: Int) -> ChainCase {
    ChainCase(name: "norm and product, \(shape) to \(outputs)") { builder in
      let input = normalized(shape, &builder)
      return builder.linear(
        input, weight: Parameter("w", [outputs, shape.channels]), bias: Parameter("b", [outputs]),
        activation: .geluTanh)
    }
  }

  /// Sizes by hand where something is at its limit, and random ones.
  static let all: [ChainCase] = {
    var random = SplitMix(seed: 11)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    func shape() -> Shape {
      Shape(batch: pick(1...3), height: pick(1...23), width: pick(1...19), channels: pick(1...140))
    }
    let fixed = [
      product(.tokens(batch: 1, count: 1, channels: 1), outputs: 1),
      product(.tokens(batch: 2, count: 1100, channels: 8), outputs: 40),
    ]
    let others = (0..<4).map { _ in product(shape(), outputs: pick(1...90)) }
    return fixed + others
  }()
}

@Suite struct ChainTests {
  private func run(
    _ graph: Graph, _ set: InstructionSet, threads: Int = 2,
    precision: ComputePrecision = .auto
  ) throws -> [Float] {
    let weights = MemorySource(
      randomFor: graph, encoding: .int8PerChannel, activations: .int8PerToken)
    return try outputs(
      of: graph,
      on: CPUBackend(threads: threads, precision: precision, instructionSet: set), weights: weights)
  }

  @Test(arguments: ChainCase.all, InstructionSet.supported)
  func aChainComputesWhatItsNodesCompute(_ chain: ChainCase, _ set: InstructionSet) throws {
    let fused = try run(chain.graph(.full), set)
    let apart = try run(chain.graph(.observable), set)
    #expect(fused == apart)
  }

  @Test(arguments: ChainCase.all, InstructionSet.supported)
  func aChainAgreesWithTheReference(_ chain: ChainCase, _ set: InstructionSet) throws {
    let graph = chain.graph(.full)
    let weights = MemorySource(
      randomFor: graph, encoding: .int8PerChannel, activations: .int8PerToken)
    let expected = try outputs(of: graph, on: ReferenceBackend(), weights: weights)
    // The norm is rounded differently: a code that lies between two may become the other one.
    let decibels = signalToNoise(try run(graph, set), expected)
    #expect(decibels >= 55, "\(decibels) dB")
  }

  @Test(arguments: ChainCase.all) func resultsDoNotDependOnTheThreads(_ chain: ChainCase) throws {
    let set = try InstructionSet.chosen()
    let alone = try run(chain.graph(.full), set, threads: 1)
    for threads in [2, 3, 8] {
      #expect(try run(chain.graph(.full), set, threads: threads) == alone)
    }
  }

  @Test(arguments: ChainCase.all) func inFloatingPointNodesStayApart(_ chain: ChainCase) throws {
    let graph = chain.graph(.full)
    let weights = MemorySource(
      randomFor: graph, encoding: .int8PerChannel, activations: .int8PerToken)
    let expected = try outputs(
      of: graph, on: ReferenceBackend(precision: .f32), weights: weights)
    let actual = try run(graph, .chosen(), precision: .f32)
    #expect(signalToNoise(actual, expected) >= 100)
  }

  @Test func aValueThatOthersReadIsMade() throws {
    var builder = GraphBuilder(name: "norm read twice")
    let x = builder.input("x", .tokens(batch: 1, count: 9, channels: 20))
    let modulation = builder.input("m", .tokens(batch: 1, count: 1, channels: 40))
    let normalized = builder.modulatedLayerNorm(
      x, shift: ModulationRow(modulation, 0), scale: ModulationRow(modulation, 1), epsilon: 1e-6)
    let product = builder.linear(normalized, weight: Parameter("w", [20, 20]))
    let graph = builder.finish(outputs: [builder.add(product, normalized)])
    let weights = MemorySource(
      randomFor: graph, encoding: .int8PerChannel, activations: .int8PerToken)
    let expected = try outputs(of: graph, on: ReferenceBackend(), weights: weights)
    let actual = try outputs(of: graph, on: CPUBackend(threads: 2), weights: weights)
    #expect(signalToNoise(actual, expected) >= 55)
  }
}
