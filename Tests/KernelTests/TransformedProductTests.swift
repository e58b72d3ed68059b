import CKernels
import CPUBackend
import ReferenceBackend
import SanaGraph
import TestSupport
import Testing
import WeightFormats

/// Products whose input is multiplied by factors, rotated and coded in one plane or two.
@Suite struct TransformedProductTests {
  static let encodings: [TensorEncoding] = [.int8PerChannel, .f16]
  static let transformations = [
    ActivationEncoding(planes: 1, rotation: 256), ActivationEncoding(planes: 2),
    ActivationEncoding(planes: 1, hasFactors: true),
    ActivationEncoding(planes: 2, hasFactors: true, rotation: 32),
  ]

  @Test(arguments: TestedDevice.int8, encodings)
  func productsAgreeWithTheReference(_ device: TestedDevice, _ encoding: TensorEncoding) throws {
    for activations in Self.transformations {
      // Blocks of 1, 2, 4, 8, 32, 64 and 256 columns.
      for channels in [7, 6, 20, 24, 96, 192, 1280] {
        var builder = GraphBuilder(name: "\(channels) channels, \(activations)")
        let size = Shape.tokens(batch: 2, count: 19, channels: channels)
        let residual = builder.input("r", size.with(channels: 37))
        let y = builder.linear(
          builder.input("x", size), weight: Parameter("w", [37, channels]),
          bias: Parameter("b", [37]), residual: residual)
        let graph = builder.finish(outputs: [y])
        let source = MemorySource(randomFor: graph, encoding: encoding, activations: activations)
        let expected = try source.run(graph, on: device.makeReference(.auto))
        for backend in try device.makeBackends(.auto) {
          let decibels = signalToNoise(try source.run(graph, on: backend), expected)
          #expect(decibels >= device.tolerances.int8Convolutions, "\(graph.name): \(decibels) dB")
        }
      }
    }
  }

  @Test(arguments: TestedDevice.all)
  func whatIsComputedInF32IsTheProductOfTheInputAsItIs(_ device: TestedDevice) throws {
    for activations in Self.transformations {
      var builder = GraphBuilder(name: "\(activations)")
      let x = builder.input("x", Shape(batch: 1, height: 6, width: 7, channels: 96))
      let y = builder.linear(x, weight: Parameter("w", [64, 96]))
      let z = builder.convolution(y, weight: Parameter("k", [40, 3, 3, 64]))
      let graph = builder.finish(outputs: [z])
      let source = MemorySource(
        randomFor: graph, encoding: .int8PerChannel, activations: activations)
      let expected = try source.run(graph, on: device.makeReference(.f32))
      for backend in try device.makeBackends(.f32) {
        #expect(
          signalToNoise(try source.run(graph, on: backend), expected)
            >= device.tolerances.floatingPoint)
      }
      // Coding moves it, but not far: the transformation is the same on both ways.
      let coded = try source.run(graph, on: device.makeReference(.auto))
      #expect((20..<90).contains(signalToNoise(coded, expected)))
    }
  }

  @Test func aSecondPlaneTellsWhatTheFirstRoundsAway() throws {
    var builder = GraphBuilder(name: "planes")
    let x = builder.input("x", .tokens(batch: 1, count: 50, channels: 128))
    let graph = builder.finish(outputs: [builder.linear(x, weight: Parameter("w", [64, 128]))])
    func noise(_ planes: Int) throws -> Double {
      let source = MemorySource(
        randomFor: graph, encoding: .int8PerChannel,
        activations: ActivationEncoding(planes: planes))
      return signalToNoise(
        try source.run(graph, on: ReferenceBackend()),
        try source.run(graph, on: ReferenceBackend(precision: .f32)))
    }
    let (one, two) = (try noise(1), try noise(2))
    #expect(one < 50, "\(one) dB")
    #expect(two > 80, "\(two) dB")
  }

  @Test(arguments: InstructionSet.supported)
  func stepsOfSeveralNodesComputeTheBitsOfTheirNodes(_ set: InstructionSet) throws {
    for activations in Self.transformations {
      func graph(_ fusion: GraphBuilder.Fusion) -> Graph {
        var builder = GraphBuilder(name: "block, \(activations)", fusion: fusion)
        let size = Shape(batch: 2, height: 9, width: 11, channels: 64)
        let x = builder.input("x", size)
        let modulation = builder.input("m", .tokens(batch: 2, count: 1, channels: 2 * 64))
        let normalized = builder.modulatedLayerNorm(
          x, shift: ModulationRow(modulation, 0), scale: ModulationRow(modulation, 1),
          epsilon: 1e-6)
        let expanded = builder.linear(
          normalized, weight: Parameter("w", [128, 64]), activation: .silu)
        let gated = builder.depthwiseConvolution(
          expanded, weight: Parameter("d", [3, 3, 128]), gatedLinearUnit: true)
        let y = builder.linear(gated, weight: Parameter("p", [64, 64]))
        return builder.finish(outputs: [y])
      }
      let fused = graph(.full)
      let source = MemorySource(
        randomFor: fused, encoding: .int8PerChannel, activations: activations)
      let backend = try CPUBackend(threads: 2, instructionSet: set)
      let whole = try source.run(fused, on: backend)
      #expect(try whole == source.run(graph(.observable), on: backend))
      let banded = try backend.load(source).plan(fused, ExecutionChoices(bandPositions: 22))
      #expect(banded.plan.steps.map(\.form).contains("mixFeedForward"))
      let executable = try banded.prepare(RunContext())
      var random = SplitMix(seed: 31)
      for input in fused.inputs {
        let shape = fused[input].shape
        executable.write(HostTensor(shape, random.floats(shape.elementCount)), to: input)
      }
      try executable.run()
      #expect(executable.read(fused.outputs[0]).values == whole)
    }
  }

  @Test func rotationsAreTheSameOnEveryInstructionSetAndUndoThemselves() {
    var random = SplitMix(seed: 5)
    let portable = sana_kernels_for(SANA_ISA_PORTABLE).pointee
    for block in [1, 2, 4, 8, 16, 32, 64, 128, 256] {
      let row = random.floats(3 * block)
      func rotated(_ kernels: sana_kernels, _ numbers: [Float]) -> [Float] {
        var result = numbers
        kernels.rotate_row(&result, result.count, block)
        return result
      }
      let expected = rotated(portable, row)
      for set in InstructionSet.supported {
        #expect(rotated(set.kernels, row) == expected, "\(set), blocks of \(block)")
      }
      let back = rotated(portable, expected)
      #expect(signalToNoise(back, row) > 120)
      func energy(_ numbers: [Float]) -> Float { numbers.reduce(0) { $0 + $1 * $1 } }
      #expect(abs(energy(expected) / energy(row) - 1) < 1e-5)
    }
  }
}
