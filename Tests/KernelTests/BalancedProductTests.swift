import TestSupport
import CPUBackend
import ReferenceBackend
import SanaEngine
import SanaGraph
import Testing

/// Products of int8 activations whose weights are coded when they are loaded, some of their input channels much larger than the
/// others.
@Suite struct BalancedProductTests {
  @Test(arguments: InstructionSet.supported)
  func balancedProductsAgreeWithTheReference(_ set: InstructionSet) throws {
    for channels in [1, 7, 16, 45, 131] {
      let shape = Shape(batch: 2, height: 5, width: 7, channels: channels)
      for hasNorm in [false, true] {
        var builder = GraphBuilder(name: "\(channels) channels, norm: \(hasNorm)")
        var x = builder.input("x", shape)
        if hasNorm {
          let modulation = builder.input("m", .tokens(batch: 2, count: 1, channels: 2 * channels))
          x = builder.modulatedLayerNorm(
            x, shift: ModulationRow(modulation, 0), scale: ModulationRow(modulation, 1),
            epsilon: 1e-6)
        }
        let y = builder.linear(x, weight: Parameter("w", [37, channels]), activation: .silu)
        let graph = builder.finish(outputs: [y])
        let weights = MemorySource(outliersOf: ["w": [37, channels]], seed: UInt64(channels))
        let expected = try weights.run(graph, on: ReferenceBackend())
        let actual = try weights.run(graph, on: CPUBackend(threads: 3, instructionSet: set))
        let alone = try weights.run(graph, on: CPUBackend(threads: 1, instructionSet: set))
        #expect(alone == actual)
        let decibels = signalToNoise(actual, expected)
        // A norm that rounds differently moves a code now and then.
        #expect(decibels >= (hasNorm ? 60 : 110), "\(graph.name): \(decibels) dB")
      }
    }
  }

  @Test(arguments: InstructionSet.supported)
  func balancedChainsComputeTheBitsOfTheirNodes(_ set: InstructionSet) throws {
    for (channels, hidden) in [(24, 32), (131, 64)] {
      func graph(_ fusion: GraphBuilder.Fusion) -> Graph {
        var builder = GraphBuilder(name: "Mix-FFN", fusion: fusion)
        let x = builder.input("x", Shape(batch: 2, height: 9, width: 11, channels: channels))
        let expanded = builder.linear(
          x, weight: Parameter("w", [2 * hidden, channels]), activation: .silu)
        let y = builder.depthwiseConvolution(
          expanded, weight: Parameter("d", [3, 3, 2 * hidden]), gatedLinearUnit: true)
        return builder.finish(outputs: [y])
      }
      let weights = MemorySource(
        outliersOf: ["w": [2 * hidden, channels], "d": [3, 3, 2 * hidden]], seed: 5)
      let backend = try CPUBackend(threads: 2, instructionSet: set)
      let fused = try weights.run(graph(.full), on: backend)
      #expect(try fused == weights.run(graph(.observable), on: backend))
    }
  }
}
