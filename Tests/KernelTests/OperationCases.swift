import SanaEngine
import SanaGraph
import Testing

/// One operation on odd sizes.
struct OperationCase: Sendable, CustomTestStringConvertible {
  let name: String
  let build: @Sendable (inout GraphBuilder) -> Value

  init(_ name: String, _ build: @escaping @Sendable (inout GraphBuilder) -> Value) {
    self.name = name
    self.build = build
  }

  var testDescription: String { name }

  var graph: Graph {
    var builder = GraphBuilder(name: name)
    let output = build(&builder)
    return builder.finish(outputs: [output])
  }

  static let products: [OperationCase] = [
    OperationCase("linear of one row") { builder in
      let x = builder.input("x", .tokens(batch: 1, count: 1, channels: 1153))
      return builder.linear(
        x, weight: Parameter("w", [37, 1153]), bias: Parameter("b", [37]), activation: .silu)
    },
    OperationCase("linear of seven rows") { builder in
      let x = builder.input("x", .tokens(batch: 7, count: 1, channels: 70))
      return builder.linear(x, weight: Parameter("w", [5, 70]), bias: Parameter("b", [5]))
    },
    OperationCase("linear with everything") { builder in
      let x = builder.input("x", .tokens(batch: 2, count: 53, channels: 301))
      let modulation = builder.input("m", .tokens(batch: 2, count: 1, channels: 3 * 77))
      let residual = builder.input("r", .tokens(batch: 2, count: 53, channels: 77))
      return builder.linear(
        x, weight: Parameter("w", [77, 301]), bias: Parameter("b", [77]), activation: .geluTanh,
        gate: ModulationRow(modulation, 1), residual: residual)
    },
    OperationCase("linear without activation") { builder in
      let x = builder.input("x", .tokens(batch: 3, count: 53, channels: 259))
      let modulation = builder.input("m", .tokens(batch: 3, count: 1, channels: 2 * 77))
      let residual = builder.input("r", .tokens(batch: 3, count: 53, channels: 77))
      return builder.linear(
        x, weight: Parameter("w", [77, 259]), bias: Parameter("b", [77]),
        gate: ModulationRow(modulation, 1), residual: residual)
    },
    OperationCase("linear with residual alone") { builder in
      let x = builder.input("x", .tokens(batch: 1, count: 29, channels: 11))
      let residual = builder.input("r", .tokens(batch: 1, count: 29, channels: 97))
      return builder.linear(x, weight: Parameter("w", [97, 11]), residual: residual)
    },
    OperationCase("linear of many channels") { builder in
      let x = builder.input("x", .tokens(batch: 1, count: 30, channels: 1300))
      return builder.linear(x, weight: Parameter("w", [530, 1300]), activation: .relu)
    },
    OperationCase("linear of many rows") { builder in
      let x = builder.input("x", Shape(batch: 3, height: 17, width: 41, channels: 9))
      return builder.linear(x, weight: Parameter("w", [33, 9]))
    },
  ]

  static let convolutions: [OperationCase] = [
    OperationCase("grouped linear") { builder in
      let x = builder.input("x", Shape(batch: 2, height: 5, width: 7, channels: 96))
      return builder.groupedLinear(x, weight: Parameter("w", [60, 32]), groups: 3)
    },
    OperationCase("convolution 3x3") { builder in
      let x = builder.input("x", Shape(batch: 2, height: 9, width: 13, channels: 70))
      let residual = builder.input("r", Shape(batch: 2, height: 9, width: 13, channels: 41))
      return builder.convolution(
        x, weight: Parameter("w", [41, 3, 3, 70]), bias: Parameter("b", [41]), activation: .silu,
        residual: residual)
    },
    OperationCase("convolution 3x3 of many channels") { builder in
      let x = builder.input("x", Shape(batch: 2, height: 13, width: 10, channels: 208))
      let residual = builder.input("r", Shape(batch: 2, height: 13, width: 10, channels: 77))
      return builder.convolution(
        x, weight: Parameter("w", [77, 3, 3, 208]), bias: Parameter("b", [77]), activation: .silu,
        residual: residual)
    },
    OperationCase("convolution 3x3 to three channels") { builder in
      let x = builder.input("x", Shape(batch: 1, height: 11, width: 6, channels: 8))
      return builder.convolution(
        x, weight: Parameter("w", [3, 3, 3, 8]), bias: Parameter("b", [3]))
    },
    OperationCase("convolution 3x3 to three of many channels") { builder in
      let x = builder.input("x", Shape(batch: 2, height: 37, width: 13, channels: 45))
      let residual = builder.input("r", Shape(batch: 2, height: 37, width: 13, channels: 3))
      return builder.convolution(
        x, weight: Parameter("w", [3, 3, 3, 45]), bias: Parameter("b", [3]), activation: .silu,
        residual: residual)
    },
    OperationCase("convolution 3x3 of one line to one channel") { builder in
      let x = builder.input("x", Shape(batch: 3, height: 1, width: 29, channels: 32))
      return builder.convolution(x, weight: Parameter("w", [1, 3, 3, 32]))
    },
    OperationCase("convolution 3x3 of one column to two channels") { builder in
      let x = builder.input("x", Shape(batch: 1, height: 19, width: 1, channels: 130))
      return builder.convolution(
        x, weight: Parameter("w", [2, 3, 3, 130]), bias: Parameter("b", [2]))
    },
    OperationCase("convolution 3x3 of many tiles") { builder in
      let x = builder.input("x", Shape(batch: 1, height: 61, width: 37, channels: 17))
      return builder.convolution(
        x, weight: Parameter("w", [66, 3, 3, 17]), bias: Parameter("b", [66]))
    },
    OperationCase("convolution 3x3 of one pixel") { builder in
      let x = builder.input("x", Shape(batch: 2, height: 1, width: 1, channels: 5))
      return builder.convolution(x, weight: Parameter("w", [6, 3, 3, 5]))
    },
    OperationCase("convolution 3x3 with stride") { builder in
      let x = builder.input("x", Shape(batch: 2, height: 10, width: 15, channels: 24))
      return builder.convolution(
        x, weight: Parameter("w", [50, 3, 3, 24]), bias: Parameter("b", [50]), stride: 2)
    },
    OperationCase("convolution 2x2 without padding") { builder in
      let x = builder.input("x", Shape(batch: 1, height: 8, width: 6, channels: 10))
      return builder.convolution(
        x, weight: Parameter("w", [12, 2, 2, 10]), stride: 2, padding: 0)
    },
    OperationCase("convolution 5x5") { builder in
      let x = builder.input("x", Shape(batch: 1, height: 4, width: 9, channels: 3))
      return builder.convolution(x, weight: Parameter("w", [7, 5, 5, 3]), padding: 2)
    },
    OperationCase("upsampling convolution") { builder in
      let x = builder.input("x", Shape(batch: 2, height: 5, width: 7, channels: 150))
      let residual = builder.input("r", Shape(batch: 2, height: 10, width: 14, channels: 35))
      return builder.upsampleConvolution(
        x, weight: Parameter("w", [140, 2, 2, 150]), bias: Parameter("b", [35]),
        residual: residual)
    },
    OperationCase("upsampling convolution of one pixel") { builder in
      let x = builder.input("x", Shape(batch: 2, height: 1, width: 1, channels: 9))
      return builder.upsampleConvolution(
        x, weight: Parameter("w", [12, 2, 2, 9]), bias: Parameter("b", [3]))
    },
    OperationCase("upsampling convolution of many rows") { builder in
      let x = builder.input("x", Shape(batch: 1, height: 40, width: 33, channels: 6))
      return builder.upsampleConvolution(x, weight: Parameter("w", [16, 2, 2, 6]))
    },
    OperationCase("depthwise convolution 3x3 with gated linear unit") { builder in
      let x = builder.input("x", Shape(batch: 2, height: 6, width: 11, channels: 82))
      return builder.depthwiseConvolution(
        x, weight: Parameter("w", [3, 3, 82]), bias: Parameter("b", [82]), gatedLinearUnit: true)
    },
    OperationCase("depthwise convolution 5x5") { builder in
      let x = builder.input("x", Shape(batch: 1, height: 9, width: 14, channels: 600))
      return builder.depthwiseConvolution(x, weight: Parameter("w", [5, 5, 600]))
    },
    OperationCase("depthwise convolution of a small image") { builder in
      let x = builder.input("x", Shape(batch: 2, height: 1, width: 3, channels: 21))
      return builder.depthwiseConvolution(
        x, weight: Parameter("w", [7, 7, 21]), bias: Parameter("b", [21]))
    },
  ]

  static let norms: [OperationCase] = [
    OperationCase("RMS norm") { builder in
      let x = builder.input("x", .tokens(batch: 2, count: 9, channels: 131))
      return builder.rmsNorm(
        x, weight: Parameter("w", [131]), bias: Parameter("b", [131]), epsilon: 1e-5)
    },
    OperationCase("RMS norm of Gemma, with residual") { builder in
      let x = builder.input("x", .tokens(batch: 1, count: 37, channels: 96))
      let residual = builder.input("r", .tokens(batch: 1, count: 37, channels: 96))
      return builder.rmsNorm(
        x, weight: Parameter("w", [96]), weightOffset: 1, epsilon: 1e-6, residual: residual)
    },
    OperationCase("RMS norm of a range") { builder in
      let x = builder.input("x", .tokens(batch: 2, count: 5, channels: 120))
      let residual = builder.input("r", .tokens(batch: 2, count: 5, channels: 120))
      return builder.rmsNorm(
        x, weight: Parameter("w", [37]), epsilon: 1e-5, channels: 40..<77, residual: residual)
    },
    OperationCase("two RMS norms in place") { builder in
      let x = builder.input("x", .tokens(batch: 2, count: 50, channels: 72))
      let q = builder.rmsNorm(
        builder.activate(x, .silu), weight: Parameter("q", [24]), epsilon: 1e-5, channels: 0..<24)
      return builder.rmsNorm(
        q, weight: Parameter("k", [24]), epsilon: 1e-5, channels: 24..<48)
    },
    OperationCase("RMS norm without weight") { builder in
      let x = builder.input("x", .tokens(batch: 1, count: 3, channels: 17))
      return builder.rmsNorm(x, weight: nil, epsilon: 1e-6)
    },
    OperationCase("modulated layer norm") { builder in
      let x = builder.input("x", .tokens(batch: 3, count: 29, channels: 75))
      let modulation = builder.input("m", .tokens(batch: 3, count: 1, channels: 6 * 75))
      return builder.modulatedLayerNorm(
        x, shift: ModulationRow(modulation, 3), scale: ModulationRow(modulation, 4), epsilon: 1e-6)
    },
  ]

  static let elementwise: [OperationCase] = [
    OperationCase("add to every batch element") { builder in
      let x = builder.input("x", .tokens(batch: 3, count: 11, channels: 13))
      let y = builder.input("y", .tokens(batch: 1, count: 11, channels: 13))
      return builder.add(x, y)
    },
    OperationCase("gated residual") { builder in
      let x = builder.input("x", .tokens(batch: 2, count: 31, channels: 19))
      let modulation = builder.input("m", .tokens(batch: 2, count: 1, channels: 6 * 19))
      let residual = builder.input("r", .tokens(batch: 2, count: 31, channels: 19))
      return builder.gatedResidual(x, gate: ModulationRow(modulation, 2), residual: residual)
    },
    OperationCase("residual without gate") { builder in
      let x = builder.input("x", .tokens(batch: 2, count: 31, channels: 19))
      let residual = builder.input("r", .tokens(batch: 2, count: 31, channels: 19))
      return builder.gatedResidual(x, residual: residual)
    },
    OperationCase("silu") { builder in
      builder.activate(builder.input("x", .tokens(batch: 1, count: 5, channels: 7001)), .silu)
    },
    OperationCase("gelu") { builder in
      builder.activate(builder.input("x", .tokens(batch: 1, count: 5, channels: 7001)), .geluTanh)
    },
    OperationCase("relu") { builder in
      builder.activate(builder.input("x", .tokens(batch: 1, count: 5, channels: 701)), .relu)
    },
    OperationCase("gated linear unit") { builder in
      let x = builder.input("x", .tokens(batch: 2, count: 23, channels: 58))
      return builder.gatedLinearUnit(x, activation: .geluTanh)
    },
    OperationCase("sinusoidal embedding") { builder in
      builder.sinusoidalEmbedding(
        builder.input("x", .tokens(batch: 3, count: 1, channels: 1)), channels: 256)
    },
    OperationCase("concatenated channels") { builder in
      let x = builder.input("x", Shape(batch: 2, height: 3, width: 5, channels: 7))
      let y = builder.input("y", Shape(batch: 2, height: 3, width: 5, channels: 12))
      return builder.concatenateChannels([x, y, x])
    },
    OperationCase("pixel shuffle") { builder in
      builder.pixelShuffle(builder.input("x", Shape(batch: 2, height: 3, width: 5, channels: 12)))
    },
    OperationCase("pixel unshuffle") { builder in
      builder.pixelUnshuffle(builder.input("x", Shape(batch: 2, height: 6, width: 4, channels: 7)))
    },
    OperationCase("duplicated channels") { builder in
      let x = builder.input("x", Shape(batch: 2, height: 3, width: 4, channels: 8))
      let residual = builder.input("r", Shape(batch: 2, height: 6, width: 8, channels: 4))
      return builder.duplicateChannels(x, factor: 2, residual: residual)
    },
    OperationCase("duplicated channels of one size") { builder in
      let x = builder.input("x", Shape(batch: 1, height: 3, width: 4, channels: 8))
      let residual = builder.input("r", Shape(batch: 1, height: 3, width: 4, channels: 24))
      return builder.duplicateChannels(x, factor: 1, residual: residual)
    },
    OperationCase("averaged channels") { builder in
      let x = builder.input("x", Shape(batch: 2, height: 6, width: 4, channels: 6))
      let residual = builder.input("r", Shape(batch: 2, height: 3, width: 2, channels: 8))
      return builder.averageChannels(x, factor: 2, residual: residual)
    },
    OperationCase("averaged channels of one size") { builder in
      let x = builder.input("x", Shape(batch: 1, height: 6, width: 4, channels: 24))
      let residual = builder.input("r", Shape(batch: 1, height: 6, width: 4, channels: 8))
      return builder.averageChannels(x, factor: 1, residual: residual)
    },
  ]

  static let attentions: [OperationCase] = [
    OperationCase("ReLU attention of blocks") { builder in
      let x = builder.input("x", Shape(batch: 2, height: 9, width: 31, channels: 3 * 96))
      return builder.reluAttention(
        x, heads: 3, headDimension: 32, layout: .blocks, form: .linear)
    },
    OperationCase("ReLU attention of triples, odd dimension") { builder in
      let x = builder.input("x", Shape(batch: 1, height: 5, width: 13, channels: 3 * 34))
      return builder.reluAttention(
        x, heads: 2, headDimension: 17, layout: .triples, form: .linear)
    },
    OperationCase("ReLU attention of many positions") { builder in
      let x = builder.input("x", Shape(batch: 1, height: 96, width: 97, channels: 3 * 8))
      return builder.reluAttention(x, heads: 1, headDimension: 8, layout: .blocks, form: .linear)
    },
    OperationCase("quadratic ReLU attention of triples") { builder in
      let x = builder.input("x", Shape(batch: 2, height: 4, width: 7, channels: 3 * 64))
      return builder.reluAttention(
        x, heads: 2, headDimension: 32, layout: .triples, form: .quadratic)
    },
    OperationCase("quadratic ReLU attention of blocks") { builder in
      let x = builder.input("x", Shape(batch: 1, height: 5, width: 9, channels: 3 * 44))
      return builder.reluAttention(
        x, heads: 2, headDimension: 22, layout: .blocks, form: .quadratic)
    },
    OperationCase("cross attention") { builder in
      let query = builder.input("x", Shape(batch: 2, height: 7, width: 19, channels: 3 * 72))
      let keyValue = builder.input("kv", .tokens(batch: 2, count: 45, channels: 2 * 3 * 72))
      let counts = builder.input("counts", .tokens(batch: 2, count: 1, channels: 1), .i32)
      return builder.crossAttention(
        query: query, keyValue: keyValue, tokenCounts: counts, heads: 3, headDimension: 72)
    },
    OperationCase("causal attention with softcap and window") { builder in
      let x = builder.input("x", .tokens(batch: 2, count: 83, channels: 8 * 64))
      return builder.causalAttention(
        x, heads: 4, keyValueHeads: 2, headDimension: 64, scale: 0.1, softcap: 5, window: 21,
        ropeTheta: 10000)
    },
    OperationCase("causal attention, full, wide heads") { builder in
      let x = builder.input("x", .tokens(batch: 1, count: 150, channels: 4 * 256))
      return builder.causalAttention(
        x, heads: 2, keyValueHeads: 1, headDimension: 256, scale: 0.0625, softcap: nil,
        window: nil, ropeTheta: 10000)
    },
    OperationCase("causal attention after earlier positions") { builder in
      let x = builder.input("x", .tokens(batch: 2, count: 39, channels: 8 * 32))
      return builder.causalAttention(
        x, after: .init(keyValue: Parameter("kv", [70, 4 * 32]), count: 61), heads: 4,
        keyValueHeads: 2, headDimension: 32, scale: 0.2, softcap: 5, window: nil, ropeTheta: 10000)
    },
    OperationCase("causal attention after earlier positions, some out of the window") { builder in
      let x = builder.input("x", .tokens(batch: 1, count: 26, channels: 3 * 20))
      return builder.causalAttention(
        x, after: .init(keyValue: Parameter("kv", [19, 2 * 20]), count: 19), heads: 1,
        keyValueHeads: 1, headDimension: 20, scale: 0.2, softcap: nil, window: 14, ropeTheta: 100)
    },
    OperationCase("one token after one earlier position") { builder in
      let x = builder.input("x", .tokens(batch: 1, count: 1, channels: 4 * 256))
      return builder.causalAttention(
        x, after: .init(keyValue: Parameter("kv", [3, 2 * 256]), count: 1), heads: 2,
        keyValueHeads: 1, headDimension: 256, scale: 0.0625, softcap: 50, window: 4096,
        ropeTheta: 10000)
    },
    OperationCase("causal attention of few tokens") { builder in
      let x = builder.input("x", .tokens(batch: 1, count: 5, channels: 3 * 34))
      return builder.causalAttention(
        x, heads: 1, keyValueHeads: 1, headDimension: 34, scale: 0.2, softcap: 50, window: 1,
        ropeTheta: 10000)
    },
  ]

  static let lookups: [OperationCase] = [
    OperationCase("embedding lookup") { builder in
      let identifiers = builder.input(
        "ids", .tokens(batch: 2, count: 9, channels: 1), .i32)
      return builder.embeddingLookup(identifiers, table: Parameter("t", [71, 45]), scale: 7)
    },
    OperationCase("table added to its own rows") { builder in
      let x = builder.input("x", .tokens(batch: 2, count: 1, channels: 6 * 33))
      return builder.addTable(x, table: Parameter("t", [6, 33]))
    },
    OperationCase("table with one vector added") { builder in
      let x = builder.input("x", .tokens(batch: 2, count: 1, channels: 33))
      return builder.addTable(x, table: Parameter("t", [2, 33]))
    },
  ]
}
