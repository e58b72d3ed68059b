import TestSupport
import CPUBackend
import SanaEngine
import SanaGraph
import SanaModels
import Testing
import WeightFormats

/// DC-AE's upsampling convolutions with their shortcut. The CPU computes an interpolating one as
/// one where it has int8 activations, and shuffles the results of the other without keeping them
/// all.
@Suite struct UpsamplingTests {
  struct UpsamplingCase: Sendable, CustomTestStringConvertible {
    let shape: Shape
    let outputs: Int
    let kind: AutoencoderConfiguration.Upsampling

    var testDescription: String { "\(shape) to \(outputs), \(kind)" }

    func graph(_ fusion: GraphBuilder.Fusion) -> Graph {
      var builder = GraphBuilder(name: testDescription, fusion: fusion)
      let x = builder.input("x", shape)
      let block = UpsamplingBlock(path: .root, outputChannels: outputs, kind: kind)
      return builder.finish(outputs: [block.apply(x, &builder)])
    }
  }

  /// Every ratio of channels, those with a kernel of their own and others.
  static let cases: [UpsamplingCase] = {
    var random = SplitMix(seed: 37)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    return [(1, 1), (2, 1), (4, 1), (1, 2), (1, 4)].flatMap { (inputs, outputs) in
      [1, 16, pick(2...15), pick(17...70)].flatMap { unit in
        [AutoencoderConfiguration.Upsampling.interpolate, .pixelShuffle].map { kind in
          UpsamplingCase(
            shape: Shape(
              batch: pick(1...2), height: pick(1...9), width: pick(1...9),
              channels: inputs * unit),
            outputs: outputs * unit, kind: kind)
        }
      }
    }
  }()

  @Test(arguments: cases, InstructionSet.supported)
  func upsamplingComputesWhatItsNodesCompute(_ item: UpsamplingCase, _ set: InstructionSet) throws {
    for activations in [ActivationEncoding.floatingPoint, .int8PerToken] {
      let values = try [GraphBuilder.Fusion.full, .observable].map { fusion in
        let graph = item.graph(fusion)
        return try outputs(
          of: graph, on: CPUBackend(threads: 3, instructionSet: set),
          weights: MemorySource(
            randomFor: graph, encoding: .int8PerChannel, activations: activations))
      }
      #expect(values[0] == values[1])
    }
  }
}
