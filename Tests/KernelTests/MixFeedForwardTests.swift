import TestSupport
import CPUBackend
import ReferenceBackend
import SanaEngine
import SanaGraph
import SanaModels
import Testing
import WeightFormats

/// The Mix-FFN of Sana and of DC-AE, computed in bands of image rows.
@Suite struct MixFeedForwardTests {
  struct Case: Sendable, CustomTestStringConvertible {
    enum Ending: CaseIterable {
      case plain
      /// As in Sana.
      case gateAndResidual
      /// As in DC-AE.
      case normAndResidual
    }

    let shape: Shape
    let hidden: Int
    var hasNorm = false
    var ending = Ending.plain
    var activation = Activation.silu
    /// Whether what is read is made in the graph, so that its place can be taken over.
    var isInPlace = true

    var testDescription: String {
      "\(shape), hidden \(hidden)\(hasNorm ? ", norm" : ""), \(ending)\(isInPlace ? ", in place" : "")"
    }

    static let all: [Case] = {
      var random = SplitMix(seed: 18)
      func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
      func shape(batch: Int = 1, _ height: Int, _ width: Int, _ channels: Int) -> Shape {
        Shape(batch: batch, height: height, width: width, channels: channels)
      }
      let byHand = [
        Case(shape: shape(batch: 2, 1, 1, 7), hidden: 32),
        Case(shape: shape(40, 2, 30), hidden: 96, ending: .gateAndResidual),
        Case(shape: shape(3, 65, 30), hidden: 160, hasNorm: true, activation: .relu),
        Case(shape: shape(5, 6, 12), hidden: 21, hasNorm: true, ending: .gateAndResidual),
        Case(shape: shape(4, 7, 1023), hidden: 32, ending: .normAndResidual),
        Case(shape: shape(3, 4, 1025), hidden: 32, ending: .normAndResidual),
        Case(shape: shape(1, 50, 16), hidden: 64, hasNorm: true, ending: .normAndResidual),
        Case(shape: shape(batch: 3, 23, 11, 40), hidden: 96, ending: .normAndResidual),
      ]
      let others = (0..<8).map { index in
        Case(
          shape: shape(batch: pick(1...3), pick(2...23), pick(1...29), pick(1...70)),
          hidden: 32 * pick(1...3), hasNorm: index % 2 == 0,
          ending: Ending.allCases[index % 3], isInPlace: index % 4 != 3)
      }
      return byHand + others
    }()

    /// - Parameter isApart: whether others read every value, so that every node is computed by
    ///   itself.
    func graph(isApart: Bool = false) -> Graph {
      var builder = GraphBuilder(name: testDescription)
      let x = builder.input("x", shape)
      let modulation = builder.input(
        "m", .tokens(batch: shape.batch, count: 1, channels: 3 * shape.channels))
      let stream = isInPlace ? builder.activate(x, .silu) : x
      let input =
        hasNorm
        ? builder.modulatedLayerNorm(
          stream, shift: ModulationRow(modulation, 2), scale: ModulationRow(modulation, 0),
          epsilon: 1e-6) : stream
      let expanded = builder.linear(
        input, weight: Parameter("w", [2 * hidden, shape.channels]),
        bias: hasNorm ? Parameter("b", [2 * hidden]) : nil, activation: activation)
      let gated = builder.depthwiseConvolution(
        expanded, weight: Parameter("d", [3, 3, 2 * hidden]),
        bias: hasNorm ? nil : Parameter("e", [2 * hidden]), gatedLinearUnit: true)
      let isGated = ending == .gateAndResidual
      var output = builder.linear(
        gated, weight: Parameter("v", [shape.channels, hidden]),
        gate: isGated ? ModulationRow(modulation, 1) : nil, residual: isGated ? stream : nil)
      if ending == .normAndResidual {
        output = builder.rmsNorm(
          output, weight: Parameter("n", [shape.channels]),
          bias: Parameter("c", [shape.channels]), epsilon: 1e-5, residual: stream)
      }
      let graph = builder.finish(outputs: [output])
      return isApart ? builder.finish(outputs: [output] + graph.nodes.map(\.output)) : graph
    }
  }

  static let encodings: [(TensorEncoding, ActivationEncoding)] = [
    (.int8PerChannel, .int8PerToken), (.f16, .int8PerToken), (.bf16, .floatingPoint),
    (.f16, .floatingPoint), (.f32, .floatingPoint),
  ]

  @Test(arguments: Case.all, InstructionSet.supported)
  func bandsOfAnyHeightComputeWhatTheNodesCompute(_ item: Case, _ set: InstructionSet) throws {
    let graph = item.graph()
    let inputs = randomInputs(of: graph)
    for encoding in Self.encodings {
      let weights = MemorySource(randomFor: graph, encoding: encoding.0, activations: encoding.1)
      func run(_ graph: Graph, rows: Int? = nil) throws -> [Float] {
        try outputsAfterNaN(
          of: graph,
          on: CPUBackend(
            threads: 2, instructionSet: set, bandPositions: rows.map { $0 * item.shape.width }),
          weights: weights, inputs: inputs)
      }
      let apart = try run(item.graph(isApart: true))
      #expect(try run(graph) == apart, "\(encoding), whole")
      for rows in Set([1, 3, max(item.shape.height - 1, 1)]) {
        #expect(try run(graph, rows: rows) == apart, "\(encoding), \(rows) rows")
      }
    }
  }

  @Test(arguments: Case.all) func resultsDoNotDependOnTheThreads(_ item: Case) throws {
    let graph = item.graph()
    let inputs = randomInputs(of: graph)
    for encoding in Self.encodings {
      let weights = MemorySource(randomFor: graph, encoding: encoding.0, activations: encoding.1)
      func run(threads: Int) throws -> [Float] {
        try outputsAfterNaN(
          of: graph,
          on: CPUBackend(
            threads: threads, instructionSet: .chosen(),
            bandPositions: threads * item.shape.width),
          weights: weights, inputs: inputs)
      }
      let alone = try run(threads: 1)
      for threads in [3, 8] { #expect(try run(threads: threads) == alone) }
    }
  }

  @Test(arguments: Case.all, InstructionSet.supported)
  func resultsAgreeWithTheReference(_ item: Case, _ set: InstructionSet) throws {
    let graph = item.graph()
    for (encoding, minimum) in zip(Self.encodings.dropFirst(3), [105.0, 105]) {
      let weights = MemorySource(randomFor: graph, encoding: encoding.0, activations: encoding.1)
      let expected = try outputs(of: graph, on: ReferenceBackend(), weights: weights)
      let actual = try outputs(
        of: graph, on: CPUBackend(threads: 2, instructionSet: set, bandPositions: 20),
        weights: weights)
      let decibels = signalToNoise(actual, expected)
      #expect(decibels >= minimum, "\(encoding): \(decibels) dB")
    }
  }

  /// All nodes are one step, but those of few rows.
  @Test(arguments: Case.all) func theNodesAreOneStep(_ item: Case) throws {
    let graph = item.graph()
    for encoding in Self.encodings {
      let backend = try CPUBackend(threads: 1)
      var nodes = 0
      let context = RunContext(onStep: { step, _ in nodes += step.nodes.count })
      let weights = MemorySource(
        randomFor: graph, encoding: encoding.0, activations: encoding.1)
      let executable = try backend.load(weights).prepare(graph)
      try executable.run(context)
      #expect(nodes == graph.nodes.count)
      let stored = executable.plan.memory.places.count { $0 != nil }
      let isFused = item.shape.rows > 8
      #expect(
        stored == (isFused ? 3 + (item.isInPlace ? 1 : 0) : graph.values.count), "\(encoding)")
    }
  }

  /// Beside the stream, which the result takes the place of, only bands exist.
  @Test(arguments: encodings.indices) func aBandBoundsTheMemory(_ encoding: Int) throws {
    let item = Case(
      shape: Shape(batch: 1, height: 256, width: 64, channels: 64), hidden: 256,
      ending: .normAndResidual)
    let graph = item.graph()
    let weights = MemorySource(
      randomFor: graph, encoding: Self.encodings[encoding].0,
      activations: Self.encodings[encoding].1)
    let stream = graph[graph.inputs[0]].byteCount
    #expect(
      try arenaBytes(of: graph, weights: weights, bandPositions: nil) >= 2 * stream + 4 * stream)
    #expect(
      try arenaBytes(of: graph, weights: weights, bandPositions: 4 * 64) < 2 * stream + stream)
  }
}
