import TestSupport
import CPUBackend
import ReferenceBackend
import SanaEngine
import SanaGraph
import Testing

/// 3x3 convolutions of int8 activations where the processor multiplies codes as int16: by F(4x4, 3x3), whose codes have as many bits as sums in
/// int32 have room for.
@Suite struct SixteenBitConvolutionTests {
  private static let sets = InstructionSet.supported.filter { $0.winogradTile == .fourByFour }

  private func graph(_ size: Shape, outputs: Int) -> Graph {
    var builder = GraphBuilder(name: "\(size) to \(outputs)")
    let x = builder.input("x", size)
    let y = builder.convolution(
      x, weight: Parameter("w", [outputs, 3, 3, size.channels]), bias: Parameter("b", [outputs]),
      activation: .silu)
    return builder.finish(outputs: [y])
  }

  /// Half the noise of rounding to int8, or less; with one channel there is hardly any.
  @Test(arguments: sets) func resultsAreNearerToFloatingPointThanInt8(_ set: InstructionSet) throws
  {
    var random = SplitMix(seed: 37)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    let sizes = [(1, 1, 1, 1), (1, 4, 4, 2), (2, 5, 3, 64), (1, 13, 21, 130), (1, 6, 9, 512)]
    for (batch, height, width, channels) in sizes
      + (0..<8).map({ _ in (pick(1...2), pick(1...19), pick(1...23), pick(1...150)) })
    {
      let size = Shape(batch: batch, height: height, width: width, channels: channels)
      let graph = graph(size, outputs: pick(1...150))
      let weights = MemorySource(randomFor: graph, encoding: .bf16, activations: .int8PerToken)
      let expected = try outputs(
        of: graph, on: ReferenceBackend(precision: .f32), weights: weights)
      let actual = try outputs(
        of: graph, on: CPUBackend(threads: 2, instructionSet: set), weights: weights)
      let decibels = signalToNoise(actual, expected)
      let int8 = signalToNoise(
        try outputs(of: graph, on: ReferenceBackend(), weights: weights), expected)
      #expect(decibels >= min(int8 + 6, 100), "\(graph.name): \(decibels), int8 \(int8) dB")
    }
  }

  /// Channels that are all the same have the largest codes at every point, of patches and of kernels.
  @Test(arguments: sets) func theLargestSumsDoNotOverflow(_ set: InstructionSet) throws {
    for channels in [1, 2, 7, 128, 511, 512, 4096] {
      let size = Shape(batch: 1, height: 6, width: 5, channels: channels)
      var builder = GraphBuilder(name: "\(channels) equal channels")
      let x = builder.input("x", size)
      let graph = builder.finish(outputs: [
        builder.convolution(x, weight: Parameter("w", [3, 3, 3, channels]))
      ])
      var random = SplitMix(seed: 3)
      let pixels = random.floats(size.height * size.width)
      let taps = random.floats(3 * 9)
      let input = HostTensor(size, pixels.flatMap { [Float](repeating: $0, count: channels) })
      var source = MemorySource()
      source.add(
        "w", [3, 3, 3, channels], taps.flatMap { [Float](repeating: $0, count: channels) },
        activations: .int8PerToken)
      let weights = source
      func run(_ backend: some Backend) throws -> [Float] {
        let executable = try backend.load(weights).prepare(graph)
        executable.write(input, to: x)
        try executable.run(observer: nil)
        return executable.read(graph.outputs[0]).values
      }
      let expected = try run(ReferenceBackend(precision: .f32))
      let decibels = signalToNoise(
        try run(CPUBackend(threads: 1, instructionSet: set)), expected)
      #expect(decibels >= 110, "\(graph.name): \(decibels) dB")
    }
  }

  @Test(arguments: sets) func moreChannelsThanHaveEnoughBitsAreComputedInInt8(
    _ set: InstructionSet
  ) throws {
    let graph = graph(Shape(batch: 1, height: 3, width: 3, channels: 4097), outputs: 2)
    let weights = MemorySource(randomFor: graph, encoding: .bf16, activations: .int8PerToken)
    let expected = try outputs(of: graph, on: ReferenceBackend(), weights: weights)
    let actual = try outputs(
      of: graph, on: CPUBackend(threads: 2, instructionSet: set), weights: weights)
    #expect(signalToNoise(actual, expected) >= 110)
  }
}
