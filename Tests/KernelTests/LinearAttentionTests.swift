import TestSupport
import CPUBackend
import ReferenceBackend
import SanaEngine
import SanaGraph
import SanaModels
import Testing
import WeightFormats

/// ReLU attention by sums with the products around it, Sana's and DC-AE's, computed in bands of
/// image rows.
@Suite struct LinearAttentionTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var batch = 1
    let height: Int
    let width: Int
    var channels = 24
    var heads = 2
    var dimension = 32
    var layout = HeadLayout.triples
    /// Of the scales beside the image's.
    var kernels: [Int] = []
    var hasNorm = false
    var normalizesQueriesAndKeys = false
    /// Whether the result is normalized, as DC-AE's, or gated, as Sana's; both have a residual.
    var hasOutputNorm = true
    /// Whether what is read is made in the graph, so that its place can be taken over.
    var isInPlace = true

    var testDescription: String {
      let norms = (hasNorm ? ", norm" : "") + (normalizesQueriesAndKeys ? ", norms" : "")
      return "\(batch)x\(height)x\(width)x\(channels), \(heads) heads of \(dimension), \(layout), "
        + "kernels \(kernels)\(norms)\(hasOutputNorm ? "" : ", gate")\(isInPlace ? ", in place" : "")"
    }

    var size: Shape { Shape(batch: batch, height: height, width: width, channels: channels) }

    static func sana(
      batch: Int = 1, _ height: Int, _ width: Int, channels: Int = 24, heads: Int = 2,
      dimension: Int = 32, hasNorm: Bool = true, norms: Bool = false
    ) -> Case {
      Case(
        batch: batch, height: height, width: width, channels: channels, heads: heads,
        dimension: dimension, layout: .blocks, hasNorm: hasNorm, normalizesQueriesAndKeys: norms,
        hasOutputNorm: false)
    }

    static let all: [Case] = {
      var random = SplitMix(seed: 12)
      func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
      let scales = [
        Case(batch: 2, height: 9, width: 11, kernels: [5]),
        Case(height: 1, width: 40, kernels: [5]),
        Case(height: 40, width: 1, kernels: [5]),
        Case(height: 12, width: 5, heads: 1, kernels: [5]),
        Case(height: 11, width: 60, kernels: [5], isInPlace: false),
        Case(height: 11, width: 61, kernels: [3], hasOutputNorm: false),
        Case(height: 6, width: 7, kernels: [5, 3]), Case(height: 8, width: 9, kernels: [1, 7]),
        // More blocks of positions than are summed at once.
        Case(height: 56, width: 65, channels: 8, heads: 1, kernels: [5]),
        Case(height: 5, width: 17, heads: 3, dimension: 64, kernels: [5]),
      ]
      let one = [
        Case(height: 9, width: 13), Case(batch: 2, height: 7, width: 8, dimension: 20),
        sana(batch: 2, 1, 1), sana(61, 60, channels: 8, heads: 1, hasNorm: false),
        sana(3, 5, channels: 33, heads: 5, dimension: 64),
        sana(3, 5, channels: 33, heads: 3, dimension: 24),
        sana(30, 31, channels: 8, heads: 3, hasNorm: false, norms: true),
        sana(batch: 3, 13, 9, channels: 40, norms: true),
        sana(13, 9, channels: 33, heads: 3, dimension: 24, norms: true),
      ]
      let others = (0..<4).map { index in
        index % 2 == 0
          ? Case(
            batch: pick(1...2), height: pick(3...20), width: pick(12...40), heads: pick(1...4),
            kernels: [pick(0...3) * 2 + 1])
          : sana(
            batch: pick(1...3), pick(2...23), pick(2...19), channels: pick(1...140),
            heads: pick(1...5), norms: pick(0...1) == 0)
      }
      return scales + one + others
    }()

    /// - Parameter isApart: whether others read every value, so that every node is computed by
    ///   itself.
    func graph(isApart: Bool = false) -> Graph {
      let inner = heads * dimension
      var builder = GraphBuilder(name: testDescription)
      let x = builder.input("x", size)
      let modulation = builder.input(
        "m", .tokens(batch: batch, count: 1, channels: 3 * channels))
      let stream = isInPlace ? builder.activate(x, .silu) : x
      let input =
        hasNorm
        ? builder.modulatedLayerNorm(
          stream, shift: ModulationRow(modulation, 2), scale: ModulationRow(modulation, 0),
          epsilon: 1e-6) : stream
      var queryKeyValue = builder.linear(
        input, weight: Parameter("w", [3 * inner, channels]))
      if normalizesQueriesAndKeys {
        for (name, first) in [("q", 0), ("k", inner)] {
          queryKeyValue = builder.rmsNorm(
            queryKeyValue, weight: Parameter(name, [inner]), epsilon: 1e-5,
            channels: first..<first + inner)
        }
      }
      var scales = [queryKeyValue]
      for (index, kernel) in kernels.enumerated() {
        let gathered = builder.depthwiseConvolution(
          queryKeyValue, weight: Parameter("d\(index)", [kernel, kernel, 3 * inner]))
        scales.append(
          builder.groupedLinear(
            gathered, weight: Parameter("p\(index)", [3 * inner, dimension]), groups: 3 * heads))
      }
      let all = scales.count == 1 ? queryKeyValue : builder.concatenateChannels(scales)
      let attended = builder.reluAttention(
        all, heads: heads * scales.count, headDimension: dimension, layout: layout, form: .linear)
      var output = builder.linear(
        attended, weight: Parameter("o", [channels, inner * scales.count]),
        bias: hasOutputNorm ? nil : Parameter("b", [channels]),
        gate: hasOutputNorm ? nil : ModulationRow(modulation, 1),
        residual: hasOutputNorm ? nil : stream)
      if hasOutputNorm {
        output = builder.rmsNorm(
          output, weight: Parameter("n", [channels]), bias: Parameter("c", [channels]),
          epsilon: 1e-5, residual: stream)
      }
      let graph = builder.finish(outputs: [output])
      return isApart ? builder.finish(outputs: [output] + graph.nodes.map(\.output)) : graph
    }
  }

  typealias Encoding = (weights: TensorEncoding, activations: ActivationEncoding)

  static let encodings: [Encoding] = [
    (.int8PerChannel, .int8PerToken), (.f16, .int8PerToken), (.bf16, .floatingPoint),
    (.f16, .floatingPoint), (.f32, .floatingPoint),
  ]

  @Test(arguments: Case.all, InstructionSet.supported)
  func bandsOfAnyHeightComputeTheSame(_ item: Case, _ set: InstructionSet) throws {
    let graph = item.graph()
    let inputs = randomInputs(of: graph)
    for encoding in Self.encodings {
      let weights = MemorySource(
        randomFor: graph, encoding: encoding.weights, activations: encoding.activations)
      func run(_ graph: Graph, rows: Int? = nil) throws -> [Float] {
        try outputsAfterNaN(
          of: graph,
          on: CPUBackend(
            threads: 2, instructionSet: set, bandPositions: rows.map { $0 * item.width }),
          weights: weights, inputs: inputs)
      }
      let whole = try run(graph)
      for rows in Set([1, 3, max(item.height - 1, 1)]) {
        #expect(try run(graph, rows: rows) == whole, "\(encoding), \(rows) rows")
      }
      let apart = try run(item.graph(isApart: true))
      if encoding.activations == .int8PerToken, item.layout == .blocks {
        // Sums of keys times values are cut in other places, so that a later code may be rounded
        // the other way.
        let decibels = signalToNoise(whole, apart)
        #expect(decibels >= 60, "\(encoding): \(decibels) dB")
      } else if encoding.weights == .bf16, !item.kernels.isEmpty {
        // By themselves, products of the scales may round activations to bf16.
        let decibels = signalToNoise(whole, apart)
        #expect(decibels >= 45, "\(encoding): \(decibels) dB")
      } else {
        #expect(whole == apart, "\(encoding)")
      }
    }
  }

  @Test(arguments: Case.all, InstructionSet.supported)
  func resultsAgreeWithTheReference(_ item: Case, _ set: InstructionSet) throws {
    let graph = item.graph()
    for (encoding, minimum) in [(Self.encodings[0], 50.0), (Self.encodings[4], 105)] {
      let weights = MemorySource(
        randomFor: graph, encoding: encoding.weights, activations: encoding.activations)
      let expected = try outputs(of: graph, on: ReferenceBackend(), weights: weights)
      let actual = try outputs(
        of: graph, on: CPUBackend(threads: 2, instructionSet: set, bandPositions: 70),
        weights: weights)
      let decibels = signalToNoise(actual, expected)
      #expect(decibels >= minimum, "\(encoding): \(decibels) dB")
    }
  }

  @Test(arguments: Case.all) func resultsDoNotDependOnTheThreads(_ item: Case) throws {
    let graph = item.graph()
    let inputs = randomInputs(of: graph)
    for encoding in Self.encodings {
      let weights = MemorySource(
        randomFor: graph, encoding: encoding.weights, activations: encoding.activations)
      func run(threads: Int) throws -> [Float] {
        try outputsAfterNaN(
          of: graph,
          on: CPUBackend(
            threads: threads, instructionSet: .chosen(), bandPositions: threads * item.width),
          weights: weights, inputs: inputs)
      }
      let alone = try run(threads: 1)
      for threads in [3, 8] { #expect(try run(threads: threads) == alone) }
    }
  }

  /// All nodes are one step, where the heads fit the kernels and there are more than a few rows.
  @Test(arguments: Case.all) func theNodesAreOneStep(_ item: Case) throws {
    let graph = item.graph()
    let isFused = item.size.rows > 8 && (item.kernels.isEmpty || item.dimension % 32 == 0)
    for encoding in Self.encodings where encoding.activations == .floatingPoint {
      let weights = MemorySource(randomFor: graph, encoding: encoding.weights)
      let plan = try CPUBackend(threads: 1).load(weights).prepare(graph).plan
      let stored = plan.memory.places.count { $0 != nil }
      #expect(stored == (isFused ? 3 + (item.isInPlace ? 1 : 0) : graph.values.count))
    }
  }

  /// Beside the stream, which the result takes the place of, only bands exist.
  @Test(arguments: [
    Case(height: 256, width: 64, channels: 64, kernels: [5]),
    Case.sana(256, 64, channels: 64), Case.sana(256, 64, channels: 64, norms: true),
  ])
  func aBandBoundsTheMemory(_ item: Case) throws {
    let graph = item.graph()
    for encoding in Self.encodings {
      let weights = MemorySource(
        randomFor: graph, encoding: encoding.weights, activations: encoding.activations)
      let stream = graph[graph.inputs[0]].byteCount
      #expect(try arenaBytes(of: graph, weights: weights, bandPositions: nil) >= 3 * stream)
      #expect(
        try arenaBytes(of: graph, weights: weights, bandPositions: 4 * 64) < 2 * stream + stream)
    }
  }
}
