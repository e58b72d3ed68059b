import CPUBackend
import ReferenceBackend
import SanaEngine
import SanaGraph
import Testing
import WeightFormats

/// Nodes that the CPU computes as one where their product has int8 activations.
struct ChainCase: Sendable, CustomTestStringConvertible {
  let name: String
  /// Whether the chain computes the same bits as its nodes.
  let isExact: Bool
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
    ChainCase(name: "norm and product, \(shape) to \(outputs)", isExact: true) { builder in
      let input = normalized(shape, &builder)
      return builder.linear(
        input, weight: Parameter("w", [outputs, shape.channels]), bias: Parameter("b", [outputs]),
        activation: .geluTanh)
    }
  }

  private static func attention(
    _ shape: Shape, heads: Int, dimension: Int = 32, hasNorm: Bool = true,
    normalizesQueriesAndKeys: Bool = false
  ) -> ChainCase {
    let width = heads * dimension
    let name =
      normalizesQueriesAndKeys ? "product, norms and ReLU attention" : "product and ReLU attention"
    return ChainCase(
      name: "\(name), \(shape), \(heads) heads of \(dimension)", isExact: false
    ) { builder in
      let input = hasNorm ? normalized(shape, &builder) : builder.input("x", shape)
      var queryKeyValue = builder.linear(
        input, weight: Parameter("w", [3 * width, shape.channels]))
      if normalizesQueriesAndKeys {
        for (name, first) in [("q", 0), ("k", width)] {
          queryKeyValue = builder.rmsNorm(
            queryKeyValue, weight: Parameter(name, [width]), epsilon: 1e-5,
            channels: first..<first + width)
        }
      }
      let attended = builder.reluAttention(
        queryKeyValue, heads: heads, headDimension: dimension, layout: .blocks, form: .linear)
      return builder.linear(attended, weight: Parameter("o", [7, heads * dimension]))
    }
  }

  private static func feedForward(
    _ shape: Shape, hidden: Int, hasNorm: Bool = true, activation: Activation = .silu
  ) -> ChainCase {
    ChainCase(name: "Mix-FFN, \(shape), hidden \(hidden)", isExact: true) { builder in
      let input = hasNorm ? normalized(shape, &builder) : builder.input("x", shape)
      let expanded = builder.linear(
        input, weight: Parameter("w", [2 * hidden, shape.channels]),
        bias: hasNorm ? Parameter("b", [2 * hidden]) : nil, activation: activation)
      return builder.depthwiseConvolution(
        expanded, weight: Parameter("d", [3, 3, 2 * hidden]),
        bias: hasNorm ? Parameter("e", [2 * hidden]) : nil, gatedLinearUnit: true)
    }
  }

  /// Sizes by hand where something is at its limit, and random ones.
  static let all: [ChainCase] = {
    var random = RandomNumbers(seed: 11)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    func shape() -> Shape {
      Shape(batch: pick(1...3), height: pick(1...23), width: pick(1...19), channels: pick(1...140))
    }
    let fixed = [
      product(.tokens(batch: 1, count: 1, channels: 1), outputs: 1),
      product(.tokens(batch: 2, count: 1100, channels: 8), outputs: 40),
      attention(Shape(batch: 2, height: 1, width: 1, channels: 5), heads: 1),
      attention(Shape(batch: 2, height: 60, width: 61, channels: 16), heads: 3, hasNorm: false),
      attention(Shape(batch: 1, height: 3, width: 5, channels: 33), heads: 5, dimension: 64),
      attention(Shape(batch: 1, height: 3, width: 5, channels: 33), heads: 3, dimension: 24),
      attention(
        Shape(batch: 2, height: 60, width: 61, channels: 16), heads: 3, hasNorm: false,
        normalizesQueriesAndKeys: true),
      attention(
        Shape(batch: 1, height: 3, width: 5, channels: 33), heads: 3, dimension: 24,
        normalizesQueriesAndKeys: true),
      feedForward(Shape(batch: 2, height: 1, width: 1, channels: 7), hidden: 32),
      feedForward(Shape(batch: 1, height: 40, width: 2, channels: 30), hidden: 96, hasNorm: false),
      feedForward(
        Shape(batch: 1, height: 3, width: 65, channels: 30), hidden: 160, activation: .relu),
      feedForward(Shape(batch: 1, height: 5, width: 6, channels: 12), hidden: 21),
      feedForward(
        Shape(batch: 2, height: 4, width: 7, channels: 1023), hidden: 96, hasNorm: false),
      feedForward(
        Shape(batch: 1, height: 3, width: 4, channels: 1025), hidden: 32, hasNorm: false),
    ]
    let others = (0..<4).flatMap { _ in
      [
        product(shape(), outputs: pick(1...90)), attention(shape(), heads: pick(1...5)),
        attention(shape(), heads: pick(1...5), normalizesQueriesAndKeys: true),
        feedForward(shape(), hidden: 32 * pick(1...5)),
      ]
    }
    return fixed + others
  }()
}

@Suite struct ChainTests {
  private func run(
    _ graph: Graph, _ set: InstructionSet, threads: Int = 2,
    precision: ComputePrecision = .auto, encoding: TensorEncoding = .int8PerChannel
  ) throws -> [Float] {
    let weights = RandomWeights(
      for: graph, encoding: encoding,
      activations: encoding == .int8PerChannel ? .int8PerToken : .floatingPoint)
    return try outputs(
      of: graph,
      on: CPUBackend(threads: threads, precision: precision, instructionSet: set), weights: weights)
  }

  @Test(arguments: ChainCase.all, InstructionSet.supported)
  func aChainComputesWhatItsNodesCompute(_ chain: ChainCase, _ set: InstructionSet) throws {
    let fused = try run(chain.graph(.full), set)
    let apart = try run(chain.graph(.observable), set)
    if chain.isExact {
      #expect(fused == apart)
    } else {
      // Sums of keys times values are cut in other places, so that a later code may be rounded the other way.
      let decibels = signalToNoise(fused, apart)
      #expect(decibels >= 60, "\(decibels) dB")
    }
  }

  @Test(arguments: ChainCase.all, InstructionSet.supported)
  func aChainAgreesWithTheReference(_ chain: ChainCase, _ set: InstructionSet) throws {
    let graph = chain.graph(.full)
    let weights = RandomWeights(for: graph, encoding: .int8PerChannel, activations: .int8PerToken)
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

  /// Where the processor multiplies bf16; elsewhere no chain is one, and nothing differs.
  @Test(arguments: ChainCase.all) func aChainOfBFloatWeightsComputesWhatItsNodesCompute(
    _ chain: ChainCase
  ) throws {
    let set = try InstructionSet.chosen()
    let alone = try run(chain.graph(.full), set, threads: 1, encoding: .bf16)
    #expect(try run(chain.graph(.full), set, threads: 3, encoding: .bf16) == alone)
    let apart = try run(chain.graph(.observable), set, encoding: .bf16)
    if chain.isExact {
      #expect(alone == apart)
    } else {
      #expect(signalToNoise(alone, apart) >= 60)
    }
  }

  @Test(arguments: ChainCase.all) func inFloatingPointNodesStayApart(_ chain: ChainCase) throws {
    let graph = chain.graph(.full)
    let weights = RandomWeights(for: graph, encoding: .int8PerChannel, activations: .int8PerToken)
    let expected = try outputs(
      of: graph, on: ReferenceBackend(precision: .f32), weights: weights)
    let actual = try run(graph, .chosen(), precision: .f32)
    #expect(signalToNoise(actual, expected) >= 100)
  }

  /// The plan counts what is stored: what the chain reads, what it makes, and its working memory, which is far less than a hidden
  /// activation.
  @Test func thePlanHoldsNoHiddenActivation() throws {
    let (size, hidden) = (Shape(batch: 2, height: 32, width: 32, channels: 32), 512)
    var builder = GraphBuilder(name: "Mix-FFN")
    let x = builder.input("x", size)
    let expanded = builder.linear(
      x, weight: Parameter("w", [2 * hidden, size.channels]), activation: .silu)
    let gated = builder.depthwiseConvolution(
      expanded, weight: Parameter("d", [3, 3, 2 * hidden]), gatedLinearUnit: true)
    let graph = builder.finish(outputs: [gated])
    let backend = try CPUBackend(threads: 2)
    func arenaBytes(_ activations: ActivationEncoding) throws -> Int {
      let weights = RandomWeights(for: graph, encoding: .int8PerChannel, activations: activations)
      let planned = backend.plan(graph, weights: weights).arenaBytes
      #expect(try backend.load(weights).prepare(graph).plan.arenaBytes == planned)
      return planned
    }
    let stored = graph[x].byteCount + graph[gated].byteCount
    #expect(try arenaBytes(.int8PerToken) < stored + graph[expanded].byteCount / 2)
    #expect(try arenaBytes(.floatingPoint) >= stored + graph[expanded].byteCount)
  }

  @Test func aValueThatOthersReadIsMade() throws {
    var builder = GraphBuilder(name: "norm read twice")
    let x = builder.input("x", .tokens(batch: 1, count: 9, channels: 20))
    let modulation = builder.input("m", .tokens(batch: 1, count: 1, channels: 40))
    let normalized = builder.modulatedLayerNorm(
      x, shift: ModulationRow(modulation, 0), scale: ModulationRow(modulation, 1), epsilon: 1e-6)
    let product = builder.linear(normalized, weight: Parameter("w", [20, 20]))
    let graph = builder.finish(outputs: [builder.add(product, normalized)])
    let weights = RandomWeights(for: graph, encoding: .int8PerChannel, activations: .int8PerToken)
    let expected = try outputs(of: graph, on: ReferenceBackend(), weights: weights)
    let actual = try outputs(of: graph, on: CPUBackend(threads: 2), weights: weights)
    #expect(signalToNoise(actual, expected) >= 55)
  }
}
