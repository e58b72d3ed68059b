import TestSupport
import ReferenceBackend
import SanaEngine
import SanaGraph
import Support
import Testing

/// What the parity tests cannot show of the reference: stored encodings, int8 activations, refusals, edges.
@Suite struct ReferenceBackendTests {
  /// Runs a linear layer `w` without bias.
  private func linear(
    _ rows: [[Float]], outputs: Int, _ source: MemorySource, precision: ComputePrecision = .auto
  ) throws -> [Float] {
    var builder = GraphBuilder(name: "linear")
    let shape = Shape.tokens(batch: 1, count: rows.count, channels: rows[0].count)
    let input = builder.input("x", shape)
    let output = builder.linear(input, weight: Parameter("w", [outputs, rows[0].count]))
    let graph = builder.finish(outputs: [output])
    let executable = try ReferenceBackend(precision: precision).load(source).prepare(graph)
    executable.write(HostTensor(shape, rows.flatMap { $0 }), to: input)
    try executable.run(observer: nil)
    return executable.read(output).values
  }

  /// The weight `[2, 3]` as the product with the identity shows it: column by column.
  private func decoded(_ source: MemorySource) throws -> [Float] {
    try linear([[1, 0, 0], [0, 1, 0], [0, 0, 1]], outputs: 2, source)
  }

  @Test func decodesHalfPrecision() throws {
    var source = MemorySource()
    // 1, -2, 0.5, 65504, the smallest subnormal, 0
    source.add(
      "w", [2, 3], .f16,
      bytes: [0x00, 0x3C, 0x00, 0xC0, 0x00, 0x38, 0xFF, 0x7B, 0x01, 0x00, 0x00, 0x00])
    #expect(try decoded(source) == [1, 65504, -2, 0x1p-24, 0.5, 0])
  }

  @Test func decodesBrainFloats() throws {
    var source = MemorySource()
    source.add(
      "w", [2, 3], .bf16,
      bytes: [0x80, 0x3F, 0x00, 0xC0, 0x00, 0x3F, 0x40, 0x40, 0x00, 0x00, 0x80, 0xBF])
    #expect(try decoded(source) == [1, 3, -2, 0, 0.5, -1])
  }

  @Test func decodesInt8WithAScaleForEachRow() throws {
    var source = MemorySource()
    source.add(
      "w", [2, 3], .int8PerChannel, bytes: [127, 0, 0x81, 1, 2, 0xFF], scales: [0.5, 2])
    #expect(try decoded(source) == [63.5, 2, 0, 4, -63.5, -2])
  }

  @Test func decodesInt8InGroupsOfWhichTheLastIsShort() throws {
    var source = MemorySource()
    source.add(
      "w", [2, 3], .int8Grouped(groupSize: 2), bytes: [1, 2, 3, 4, 5, 6],
      scales: [1, 10, 100, 1000])
    #expect(try decoded(source) == [1, 400, 2, 500, 30, 6000])
  }

  @Test func decodesInt4InRowsOfWholeBytes() throws {
    var source = MemorySource()
    // Codes -7, 0, 7 and 1, -2, 3, stored as code + 8, low nibble first.
    source.add(
      "w", [2, 3], .int4Grouped(groupSize: 2), bytes: [0x81, 0x0F, 0x69, 0x0B],
      scales: [0.5, 2, 1, 0.25])
    #expect(try decoded(source) == [-3.5, 1, 0, -2, 14, 0.75])
  }

  @Test func quantizesEachRowOfInt8Activations() throws {
    var source = MemorySource()
    source.add(
      "w", [1, 4], .int8PerChannel, bytes: [1, 1, 1, 1], scales: [0.5], activations: .int8PerToken)
    // The first row's scale is 1: halves round to the even code. The second row's scale is 2.
    let rows: [[Float]] = [[127, 2.5, 3.5, -0.5], [-254, 3, 5, 0], [0, 0, 0, 0]]
    #expect(try linear(rows, outputs: 1, source) == [66.5, -123, 0])
    #expect(try linear(rows, outputs: 1, source, precision: .f32) == [66.25, -123, 0])
  }

  @Test func notANumberSurvivesQuantization() throws {
    var source = MemorySource()
    source.add(
      "w", [1, 2], .int8PerChannel, bytes: [1, 1], scales: [1], activations: .int8PerToken)
    let results = try linear(
      [[.nan, 1], [.infinity, 1], [1, 1]], outputs: 1, source)
    #expect(!results[0].isFinite && !results[1].isFinite && results[2] == 2)
  }

  @Test func refusesAMissingTensor() throws {
    #expect {
      try decoded(MemorySource())
    } throws: {
      ($0 as? SanaError)?.code == .tensorMismatch
    }
  }

  @Test func refusesAnotherShape() throws {
    var source = MemorySource()
    source.add("w", [3, 2], [1, 2, 3, 4, 5, 6])
    #expect {
      try decoded(source)
    } throws: {
      ($0 as? SanaError)?.code == .tensorMismatch
    }
  }

  @Test func refusesTooFewBytes() throws {
    var source = MemorySource()
    source.add("w", [2, 3], .f32, bytes: [1, 2, 3])
    #expect {
      try decoded(source)
    } throws: {
      ($0 as? SanaError)?.code == .corruptFile
    }
  }

  @Test func crossAttentionWithoutTokensIsZero() throws {
    var builder = GraphBuilder(name: "cross-attention")
    let query = builder.input("q", .tokens(batch: 3, count: 1, channels: 1))
    let keyValue = builder.input("kv", .tokens(batch: 3, count: 2, channels: 2))
    let counts = builder.input("counts", .tokens(batch: 3, count: 1, channels: 1), .i32)
    let output = builder.crossAttention(
      query: query, keyValue: keyValue, tokenCounts: counts, heads: 1, headDimension: 1)
    let executable = try ReferenceBackend().load(MemorySource())
      .prepare(builder.finish(outputs: [output]))
    executable.write(HostTensor(builder.shape(query), [1, 1, 1]), to: query)
    executable.write(
      HostTensor(builder.shape(keyValue), [0, 5, 0, 7, 0, 5, 0, 7, 0, 5, 0, 7]), to: keyValue)
    executable.write(HostTensor(builder.shape(counts), integers: [0, 1, 9]), to: counts)
    try executable.run(observer: nil)
    #expect(executable.read(output).values == [0, 5, 6])
  }

  @Test func tokenIdentifiersAreClampedToTheTable() throws {
    var builder = GraphBuilder(name: "lookup")
    let identifiers = builder.input("ids", .tokens(batch: 1, count: 3, channels: 1), .i32)
    let output = builder.embeddingLookup(identifiers, table: Parameter("w", [2, 1]), scale: 2)
    var source = MemorySource()
    source.add("w", [2, 1], [3, 4])
    let executable = try ReferenceBackend().load(source)
      .prepare(builder.finish(outputs: [output]))
    executable.write(HostTensor(builder.shape(identifiers), integers: [-1, 0, 7]), to: identifiers)
    try executable.run(observer: nil)
    #expect(executable.read(output).values == [6, 6, 8])
  }

  @Test func inputsStayFromRunToRun() throws {
    var builder = GraphBuilder(name: "in place")
    let input = builder.input("x", .tokens(batch: 1, count: 1, channels: 2))
    let output = builder.activate(builder.activate(input, .relu), .relu)
    let executable = try ReferenceBackend().load(MemorySource())
      .prepare(builder.finish(outputs: [output]))
    executable.write(HostTensor(builder.shape(input), [-1, 2]), to: input)
    for _ in 0..<2 {
      try executable.run(observer: nil)
      #expect(executable.read(output).values == [0, 2])
      #expect(executable.read(input).values == [-1, 2])
    }
  }
}
