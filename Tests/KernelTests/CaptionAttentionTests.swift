import CPUBackend
import ReferenceBackend
import SanaEngine
import SanaGraph
import TestSupport
import Testing
import WeightFormats

/// Cross-attention with its products, where the captions of some images have one token, or none.
@Suite struct CaptionAttentionTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let counts: [Int32]
    var positions = 37
    var normalizesQueries = false
    var hasBias = true

    var testDescription: String {
      "captions of \(counts), \(positions) positions\(normalizesQueries ? ", norm" : "")"
    }

    static let all = [
      Case(counts: [1, 23]), Case(counts: [23, 1]), Case(counts: [1, 1]), Case(counts: [0, 5]),
      Case(counts: [1, 7, 0], positions: 9, hasBias: false), Case(counts: [2]),
      Case(counts: [1, 40], positions: 2100), Case(counts: [1, 1000, -3], positions: 65),
      Case(counts: [1, 23], normalizesQueries: true),
      Case(counts: [23, 1, 2], positions: 200, normalizesQueries: true, hasBias: false),
      // Few rows are multiplied in another way.
      Case(counts: [1, 4], positions: 3),
    ]

    /// - Returns: the graph and its inputs: stream, keys and values, token counts.
    func graph(_ fusion: GraphBuilder.Fusion = .full) -> (graph: Graph, inputs: [Value]) {
      let (channels, heads, dimension, tokens) = (45, 3, 16, 23)
      let width = heads * dimension
      var builder = GraphBuilder(name: testDescription, fusion: fusion)
      let input = builder.input(
        "x", .tokens(batch: counts.count, count: positions, channels: channels))
      let keyValue = builder.input(
        "kv", .tokens(batch: counts.count, count: tokens, channels: 2 * width))
      let tokenCounts = builder.input(
        "counts", .tokens(batch: counts.count, count: 1, channels: 1), .i32)
      // Not an input of the graph, so that the result may take its place.
      let stream = builder.activate(input, .silu)
      var query = builder.linear(
        stream, weight: Parameter("q", [width, channels]),
        bias: hasBias ? Parameter("qb", [width]) : nil)
      if normalizesQueries {
        query = builder.rmsNorm(
          query, weight: Parameter("n", [width]), epsilon: 1e-5, channels: 0..<width)
      }
      let attended = builder.crossAttention(
        query: query, keyValue: keyValue, tokenCounts: tokenCounts, heads: heads,
        headDimension: dimension)
      let output = builder.linear(
        attended, weight: Parameter("o", [channels, width]),
        bias: hasBias ? Parameter("ob", [channels]) : nil, residual: stream)
      return (builder.finish(outputs: [output]), [input, keyValue, tokenCounts])
    }
  }

  private func run(
    _ example: Case, _ fusion: GraphBuilder.Fusion = .full, on backend: some Backend,
    _ encoding: TensorEncoding
  ) throws -> [Float] {
    let (graph, inputs) = example.graph(fusion)
    let weights = MemorySource(
      randomFor: graph, encoding: encoding,
      activations: encoding == .int8PerChannel ? .int8PerToken : .floatingPoint)
    let executable = try backend.load(weights).prepare(graph)
    var random = SplitMix(seed: 5)
    for input in inputs.dropLast() {
      let shape = graph[input].shape
      executable.write(HostTensor(shape, random.floats(shape.elementCount)), to: input)
    }
    executable.write(
      HostTensor(graph[inputs[2]].shape, integers: example.counts), to: inputs[2])
    // What a run leaves must not matter to the next one.
    try executable.run(observer: nil)
    try executable.run(observer: nil)
    return executable.read(graph.outputs[0]).values
  }

  private static let encodings: [TensorEncoding] = [.int8PerChannel, .f32, .bf16]

  @Test(arguments: Case.all, InstructionSet.supported)
  func resultsAreThoseOfTheNodes(_ example: Case, _ set: InstructionSet) throws {
    for encoding in Self.encodings {
      let backend = try CPUBackend(threads: 2, instructionSet: set)
      let fused = try run(example, on: backend, encoding)
      #expect(try fused == run(example, .observable, on: backend, encoding), "\(encoding)")
      let alone = try CPUBackend(threads: 1, instructionSet: set)
      #expect(try fused == run(example, on: alone, encoding), "\(encoding)")
      for positions in [10, 36] {
        let banded = try CPUBackend(
          threads: 2, instructionSet: set, bandPositions: positions)
        #expect(try fused == run(example, on: banded, encoding), "\(encoding), \(positions)")
      }
    }
  }

  @Test(arguments: Case.all) func resultsAgreeWithTheReference(_ example: Case) throws {
    for encoding in Self.encodings {
      let expected = try run(example, on: ReferenceBackend(), encoding)
      let actual = try run(example, on: CPUBackend(), encoding)
      let decibels = signalToNoise(actual, expected)
      #expect(decibels >= (encoding == .f32 ? 110 : 50), "\(encoding): \(decibels) dB")
    }
  }

  @Test func thePlanHoldsTheQueriesOfOneImage() throws {
    let example = Case(counts: [9, 9, 9, 9], positions: 400)
    func arenaBytes(
      _ fusion: GraphBuilder.Fusion, _ bandPositions: Int? = nil
    ) throws -> Int {
      let graph = example.graph(fusion).graph
      let weights = MemorySource(
        randomFor: graph, encoding: .int8PerChannel, activations: .int8PerToken)
      return try CPUBackend(threads: 1, instructionSet: .chosen(), bandPositions: bandPositions)
        .plan(graph, weights: weights).arenaBytes
    }
    #expect(try arenaBytes(.full) < arenaBytes(.observable))
    #expect(try arenaBytes(.full, 40) < arenaBytes(.full))
  }
}
