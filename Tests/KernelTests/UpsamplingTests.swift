import SanaEngine
import Testing
import WeightFormats

/// DC-AE's upsampling convolution with its shortcut, which the CPU computes as one where the convolution has int8 activations.
@Suite struct UpsamplingTests {
  struct UpsamplingCase: Sendable, CustomTestStringConvertible {
    let shape: Shape
    let outputs: Int

    var testDescription: String { "\(shape) to \(outputs)" }

    func graph(_ fusion: GraphBuilder.Fusion) -> Graph {
      var builder = GraphBuilder(name: testDescription, fusion: fusion)
      let x = builder.input("x", shape)
      let convolved = builder.upsampleConvolution(
        x, weight: Parameter("w", [4 * outputs, 2, 2, shape.channels]),
        bias: Parameter("b", [outputs]))
      return builder.finish(
        outputs: [builder.duplicateChannels(x, factor: 2, residual: convolved)])
    }
  }

  /// Every ratio of channels, those with a kernel of their own and others.
  static let cases: [UpsamplingCase] = {
    var random = RandomNumbers(seed: 37)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    return [(1, 1), (2, 1), (4, 1), (1, 2), (1, 4)].flatMap { (inputs, outputs) in
      [1, 16, pick(2...15), pick(17...70)].map { unit in
        UpsamplingCase(
          shape: Shape(
            batch: pick(1...2), height: pick(1...9), width: pick(1...9), channels: inputs * unit),
          outputs: outputs * unit)
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
          weights: RandomWeights(for: graph, encoding: .int8PerChannel, activations: activations))
      }
      #expect(values[0] == values[1])
    }
  }
}
