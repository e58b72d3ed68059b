import TestSupport
import CPUBackend
import ReferenceBackend
import SanaEngine
import SanaGraph
import Testing

/// int8 convolutions some of whose input channels have much larger weights than the others.
@Suite struct BalancedConvolutionTests {
  private func graph(channels: Int, upsampling: Bool) -> (Graph, [Int]) {
    var builder = GraphBuilder(name: "\(channels) channels")
    let x = builder.input("x", Shape(batch: 2, height: 5, width: 7, channels: channels))
    let shape = upsampling ? [4 * 9, 2, 2, channels] : [37, 3, 3, channels]
    let y =
      upsampling
      ? builder.upsampleConvolution(x, weight: Parameter("w", shape))
      : builder.convolution(x, weight: Parameter("w", shape))
    return (builder.finish(outputs: [y]), shape)
  }

  @Test(arguments: InstructionSet.supported, [false, true])
  func balancedConvolutionsAgreeWithTheReference(
    _ set: InstructionSet, upsampling: Bool
  ) throws {
    for channels in [1, 7, 16, 45, 131] {
      let (graph, shape) = graph(channels: channels, upsampling: upsampling)
      let weights = MemorySource(outliersOf: ["w": shape], seed: UInt64(channels))
      let expected = try weights.run(graph, on: ReferenceBackend(winograd: set.winogradTile))
      let actual = try weights.run(graph, on: CPUBackend(threads: 3, instructionSet: set))
      let alone = try weights.run(graph, on: CPUBackend(threads: 1, instructionSet: set))
      #expect(alone == actual)
      let decibels = signalToNoise(actual, expected)
      #expect(
        decibels >= (upsampling ? 110 : set.int8ConvolutionAgreement),
        "\(graph.name): \(decibels) dB")
    }
  }
}
