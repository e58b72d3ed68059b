import TestSupport
import CPUBackend
import SanaEngine
import SanaGraph
import SanaModels
import Testing
import WeightFormats

/// Layers of an image that the CPU computes together, band by band.
@Suite struct CascadeTests {
  struct CascadeCase: Sendable, CustomTestStringConvertible {
    enum Layers: CaseIterable {
      case residualBlock
      case upsampling
      case shuffledUpsampling
      case convolution
      case normAndActivation
      /// Few outputs.
      case picture
      case shuffledPicture
      /// Sides are even.
      case downsampling
      case unshuffledDownsampling
      /// Sides may be odd.
      case halving
    }

    let shape: Shape
    let layers: [Layers]
    /// Whether the first layer's input is made in the graph, so that its place can be taken over.
    let isInPlace: Bool

    var testDescription: String { "\(shape), \(layers)\(isInPlace ? ", in place" : "")" }

    func graph(_ fusion: GraphBuilder.Fusion, handsOverRows: Bool = false) -> Graph {
      var builder = GraphBuilder(name: testDescription, fusion: fusion)
      let x = builder.input("x", shape)
      var value = isInPlace ? builder.activate(x, .silu) : x
      for (index, layer) in layers.enumerated() {
        value = append(layer, value, "\(index)", &builder)
      }
      return builder.finish(outputs: [value], handsOverRows: handsOverRows)
    }

    private func append(
      _ layer: Layers, _ input: Value, _ name: String, _ builder: inout GraphBuilder
    ) -> Value {
      let channels = builder.shape(input).channels
      switch layer {
      case .residualBlock:
        return ResidualBlock(path: .root[name], channels: channels).apply(input, &builder)
      case .upsampling:
        return UpsamplingBlock(
          path: .root[name], outputChannels: channels, kind: .interpolate
        ).apply(input, &builder)
      case .shuffledUpsampling:
        return UpsamplingBlock(
          path: .root[name], outputChannels: channels, kind: .pixelShuffle
        ).apply(input, &builder)
      case .convolution:
        return builder.convolution(
          input, weight: Parameter("w\(name)", [channels, 3, 3, channels]))
      case .normAndActivation:
        return builder.activate(builder.channelNorm(input, .root[name]), .relu)
      case .picture:
        return builder.convolution(input, weight: Parameter("w\(name)", [3, 3, 3, channels]))
      case .shuffledPicture:
        return UpsamplingBlock(
          path: .root[name], outputChannels: 3, kind: .pixelShuffle
        ).convolve(input, &builder)
      case .downsampling:
        return DownsamplingBlock(
          path: .root[name], outputChannels: 2 * channels, kind: .convolution
        ).apply(input, &builder)
      case .unshuffledDownsampling:
        return DownsamplingBlock(
          path: .root[name], outputChannels: 4 * channels, kind: .pixelUnshuffle
        ).apply(input, &builder)
      case .halving:
        return builder.convolution(
          input, weight: Parameter("w\(name)", [channels + 1, 3, 3, channels]), stride: 2)
      }
    }
  }

  /// Several bands each, with every remainder of rows behind the last whole one.
  static let cases: [CascadeCase] = {
    var random = SplitMix(seed: 41)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    let decoder: [CascadeCase.Layers] = [
      .upsampling, .residualBlock, .upsampling, .residualBlock, .residualBlock, .normAndActivation,
      .convolution,
    ]
    let lite: [CascadeCase.Layers] = [
      .shuffledUpsampling, .residualBlock, .shuffledUpsampling, .residualBlock,
      .normAndActivation, .shuffledPicture,
    ]
    return [
      CascadeCase(
        shape: Shape(batch: 2, height: 101, width: 512, channels: 2), layers: lite,
        isInPlace: true),
      CascadeCase(
        shape: Shape(batch: 1, height: 67, width: 514, channels: 5),
        layers: [.residualBlock, .shuffledUpsampling], isInPlace: false),
      CascadeCase(
        shape: Shape(batch: 2, height: 189, width: 512, channels: 2), layers: decoder,
        isInPlace: true),
      CascadeCase(
        shape: Shape(batch: 2, height: 97, width: 2050, channels: 32),
        layers: [.convolution, .picture], isInPlace: true),
    ]
      + (0..<8).map { index in
        CascadeCase(
          shape: Shape(
            batch: pick(1...2), height: 96 + index, width: 2048 + index, channels: pick(1...3)),
          layers: (0..<pick(1...3)).map { _ in CascadeCase.Layers.allCases[pick(0...4)] },
          isInPlace: pick(0...2) > 0)
      }
  }()

  private func run(
    _ graph: Graph, _ set: InstructionSet, _ encoding: TensorEncoding,
    _ activations: ActivationEncoding, threads: Int = 2
  ) throws -> [Float] {
    try outputs(
      of: graph, on: CPUBackend(threads: threads, instructionSet: set),
      weights: MemorySource(randomFor: graph, encoding: encoding, activations: activations))
  }

  @Test(arguments: cases, InstructionSet.supported)
  func aCascadeComputesWhatItsNodesCompute(_ item: CascadeCase, _ set: InstructionSet) throws {
    for (encoding, activations) in [
      (TensorEncoding.f32, ActivationEncoding.floatingPoint), (.bf16, .floatingPoint),
      (.int8PerChannel, .int8PerToken),
    ] {
      let apart = try run(item.graph(.observable), set, encoding, activations)
      #expect(try run(item.graph(.full), set, encoding, activations) == apart)
    }
  }

  @Test(arguments: cases) func resultsDoNotDependOnTheThreads(_ item: CascadeCase) throws {
    let graph = item.graph(.full)
    let alone = try run(graph, .chosen(), .bf16, .floatingPoint, threads: 1)
    for threads in [2, 3, 8] {
      #expect(try run(graph, .chosen(), .bf16, .floatingPoint, threads: threads) == alone)
    }
  }

  /// Small images, which are cut into bands of a few rows where little is taken at a time.
  static let small: [CascadeCase] = {
    var random = SplitMix(seed: 43)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    let decoder: [CascadeCase.Layers] = [
      .upsampling, .residualBlock, .upsampling, .residualBlock, .residualBlock, .normAndActivation,
      .picture,
    ]
    let lite: [CascadeCase.Layers] = [
      .shuffledUpsampling, .residualBlock, .shuffledUpsampling, .residualBlock,
      .normAndActivation, .shuffledPicture,
    ]
    return [
      CascadeCase(
        shape: Shape(batch: 2, height: 7, width: 5, channels: 32), layers: decoder, isInPlace: true),
      CascadeCase(
        shape: Shape(batch: 1, height: 9, width: 6, channels: 8), layers: lite, isInPlace: true),
      CascadeCase(
        shape: Shape(batch: 1, height: 1, width: 3, channels: 4), layers: decoder, isInPlace: false),
    ]
      + (0..<8).map { index in
        CascadeCase(
          shape: Shape(
            batch: pick(1...2), height: 8 + index, width: 9 + pick(0...9), channels: pick(1...40)),
          layers: (0..<pick(1...4)).map { _ in CascadeCase.Layers.allCases[pick(0...4)] },
          isInPlace: pick(0...2) > 0)
      }
  }()

  /// On the way down, sizes that the halvings leave even, and odd ones without shortcuts.
  static let encoders: [CascadeCase] = {
    var random = SplitMix(seed: 47)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    let encoder: [CascadeCase.Layers] = [
      .convolution, .residualBlock, .downsampling, .residualBlock, .residualBlock, .downsampling,
      .residualBlock,
    ]
    let lite: [CascadeCase.Layers] = [
      .convolution, .unshuffledDownsampling, .residualBlock, .downsampling, .normAndActivation,
    ]
    let both: [CascadeCase.Layers] = [
      .upsampling, .downsampling, .residualBlock, .shuffledUpsampling, .halving,
    ]
    let odd: [CascadeCase.Layers] = [.residualBlock, .halving, .residualBlock, .halving]
    return [(encoder, 4), (lite, 4), (both, 2), (odd, 1), ([.halving, .halving], 1)].flatMap {
      layers, multiple in
      (0..<3).map { _ in
        CascadeCase(
          shape: Shape(
            batch: pick(1...2), height: multiple * pick(1...15), width: multiple * pick(1...9),
            channels: pick(1...9)),
          layers: layers, isInPlace: pick(0...1) > 0)
      }
    }
  }()

  @Test(arguments: small + encoders, InstructionSet.supported)
  func bandsOfAnyHeightComputeWhatTheNodesCompute(
    _ item: CascadeCase, _ set: InstructionSet
  ) throws {
    for (encoding, activations) in [
      (TensorEncoding.f32, ActivationEncoding.floatingPoint), (.bf16, .floatingPoint),
      (.int8PerChannel, .int8PerToken),
    ] {
      let graph = item.graph(.full)
      let inputs = randomInputs(of: graph)
      let weights = MemorySource(randomFor: graph, encoding: encoding, activations: activations)
      func run(_ graph: Graph, _ bandPositions: Int?) throws -> [Float] {
        try outputsAfterNaN(
          of: graph,
          on: CPUBackend(threads: 2, instructionSet: set, bandPositions: bandPositions),
          weights: weights, inputs: inputs)
      }
      let apart = try run(item.graph(.observable), nil)
      for positions in [1, 60, 300] {
        #expect(try run(graph, positions) == apart, "\(encoding), \(positions) positions")
      }
    }
  }

  /// Rows come from the top, each once, and are those of an output that is whole.
  @Test(arguments: small.filter { $0.shape.batch == 1 })
  func rowsAreHandedOverAsTheyAreMade(_ item: CascadeCase) throws {
    let graph = item.graph(.full)
    let handingOver = item.graph(.full, handsOverRows: true)
    let inputs = randomInputs(of: graph)
    let size = graph[graph.outputs[0]].shape
    for activations in [ActivationEncoding.floatingPoint, .int8PerToken] {
      let weights = MemorySource(
        randomFor: graph, encoding: .int8PerChannel, activations: activations)
      for positions in [nil, 1, 60] {
        let backend = try CPUBackend(
          threads: 2, instructionSet: .chosen(), bandPositions: positions)
        let whole = try outputsAfterNaN(of: graph, on: backend, weights: weights, inputs: inputs)
        let executable = try backend.load(weights).prepare(handingOver)
        for (input, tensor) in zip(graph.inputs, inputs) { executable.write(tensor, to: input) }
        var (rows, values): (Int, [Float]) = (0, [])
        try executable.run { range, band in
          #expect(range.lowerBound == rows)
          #expect(band.count == range.count * size.width * size.channels)
          rows = range.upperBound
          values += band
        }
        #expect(rows == size.height)
        #expect(values == whole)
      }
    }
  }

  @Test func whatThrowsForARowEndsTheRun() throws {
    struct Stop: Error {}
    let item = CascadeCase(
      shape: Shape(batch: 1, height: 64, width: 8, channels: 8),
      layers: [.residualBlock, .convolution], isInPlace: true)
    let graph = item.graph(.full, handsOverRows: true)
    let backend = try CPUBackend(threads: 2, instructionSet: .chosen(), bandPositions: 32)
    let executable = try backend.load(MemorySource(randomFor: graph, encoding: .f32)).prepare(graph)
    var count = 0
    #expect(throws: Stop.self) {
      try executable.run { _, _ in
        count += 1
        throw Stop()
      }
    }
    #expect(count == 1)
  }

  /// The end of DC-AE's decoder, of a picture of 4096 x 4096: a layer keeps a few rows.
  @Test func theEndOfTheDecoderIsOneCascadeOfFewRows() throws {
    let item = CascadeCase(
      shape: Shape(batch: 1, height: 512, width: 512, channels: 64),
      layers: [
        .upsampling, .residualBlock, .residualBlock, .upsampling, .residualBlock, .residualBlock,
        .upsampling, .residualBlock, .residualBlock, .normAndActivation, .picture,
      ], isInPlace: true)
    let graph = item.graph(.full, handsOverRows: true)
    for (encoding, activations) in [
      (TensorEncoding.f16, ActivationEncoding.floatingPoint), (.f16, .int8PerToken),
    ] {
      let weights = MemorySource(randomFor: graph, encoding: encoding, activations: activations)
      let backend = try CPUBackend(
        threads: 2, instructionSet: .chosen(), bandPositions: 8192)
      let arena = try backend.plan(graph, weights: weights).arenaBytes
      // The largest activations have 64 times as many numbers as the input.
      let input = graph[graph.inputs[0]].byteCount
      #expect(arena < 6 * input)
    }
  }

  /// Nor is what becomes pixels of it.
  @Test func alsoWhenItsPixelsAreShuffled() throws {
    let item = CascadeCase(
      shape: Shape(batch: 1, height: 1024, width: 512, channels: 8),
      layers: [.shuffledUpsampling, .residualBlock, .residualBlock, .normAndActivation],
      isInPlace: false)
    let graph = item.graph(.full)
    let weights = MemorySource(
      randomFor: graph, encoding: .int8PerChannel, activations: .int8PerToken)
    let input = graph[graph.inputs[0]].byteCount
    #expect(
      try CPUBackend(threads: 2).plan(graph, weights: weights).arenaBytes
        < input + 4 * input + input / 2)
  }

  /// A picture is small beside the largest activation, so that the layers before it may keep more
  /// rows of their own.
  @Test func alsoUpToAPictureOfAFewWideRows() throws {
    let item = CascadeCase(
      shape: Shape(batch: 1, height: 256, width: 256, channels: 256),
      layers: [
        .shuffledUpsampling, .residualBlock, .residualBlock, .residualBlock, .normAndActivation,
        .shuffledPicture,
      ], isInPlace: false)
    let graph = item.graph(.full)
    let weights = MemorySource(randomFor: graph, encoding: .f16, activations: .int8PerToken)
    let arena = try CPUBackend(threads: 2).plan(graph, weights: weights).arenaBytes
    let input = graph[graph.inputs[0]].byteCount
    // The largest activation is four times the input.
    #expect(arena < input + 2 * input)
  }

  /// What an upsampling and residual blocks pass to each other is never whole in memory.
  @Test func aDecodersEndTakesItsInputAndItsOutput() throws {
    let item = CascadeCase(
      shape: Shape(batch: 1, height: 1024, width: 512, channels: 8),
      layers: [.upsampling, .residualBlock, .residualBlock, .normAndActivation], isInPlace: false)
    let graph = item.graph(.full)
    let weights = MemorySource(
      randomFor: graph, encoding: .int8PerChannel, activations: .int8PerToken)
    let input = graph[graph.inputs[0]].byteCount
    let backend = try CPUBackend(threads: 2)
    let bands = input / 2
    #expect(try backend.plan(graph, weights: weights).arenaBytes < input + 4 * input + bands)
    #expect(
      try backend.plan(item.graph(.observable), weights: weights).arenaBytes >= input + 8 * input)
  }
}
