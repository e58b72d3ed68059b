import TestSupport
import CKernels
import CPUBackend
import ReferenceBackend
import SanaEngine
import SanaGraph
import Testing
import WeightFormats

/// Products of bf16 weights where the processor multiplies pairs of int16: both factors have one scale for each row and block of the
/// depth, sums are exact.
@Suite struct SixteenBitProductTests {
  private static let sets = InstructionSet.supported.filter { $0 == .avx2 }

  private func linear(
    rows: Int, columns: Int, outputs: Int, activation: Activation = .none
  ) -> Graph {
    var builder = GraphBuilder(name: "\(rows) x \(columns) to \(outputs)")
    let x = builder.input("x", .tokens(batch: 1, count: rows, channels: columns))
    let y = builder.linear(
      x, weight: Parameter("w", [outputs, columns]), activation: activation)
    return builder.finish(outputs: [y])
  }

  private func run(
    _ graph: Graph, on backend: some Backend, _ weights: some WeightSource, _ input: [Float]
  ) throws -> [Float] {
    let executable = try backend.load(weights).prepare(graph)
    executable.write(HostTensor(graph[graph.inputs[0]].shape, input), to: graph.inputs[0])
    try executable.run(observer: nil)
    return executable.read(graph.outputs[0]).values
  }

  private func compare(_ graph: Graph, _ set: InstructionSet, _ random: inout SplitMix) throws {
    let input = random.floats(graph[graph.inputs[0]].shape.elementCount)
    let weights = MemorySource(randomFor: graph, encoding: .bf16)
    func run(threads: Int, _ precision: ComputePrecision = .auto) throws -> [Float] {
      let backend = try CPUBackend(threads: threads, precision: precision, instructionSet: set)
      return try self.run(graph, on: backend, weights, input)
    }
    let expected = try self.run(graph, on: ReferenceBackend(), weights, input)
    let actual = try run(threads: 2)
    let decibels = signalToNoise(actual, expected)
    #expect(decibels >= 58, "\(graph.name): \(decibels) dB")
    for threads in [1, 3] {
      #expect(try run(threads: threads) == actual, "\(graph.name) depends on the threads")
    }
    #expect(signalToNoise(try run(threads: 2, .f32), expected) >= 110, "\(graph.name) in f32")
  }

  @Test(arguments: sets) func roundingCostsLessThanThatOfBFloats(_ set: InstructionSet) throws {
    var random = SplitMix(seed: 23)
    // More positions than the product of few takes, which is in f32; depths around blocks and exact sums.
    for (rows, columns, outputs) in [
      (9, 7, 5), (12, 2, 16), (13, 127, 17), (14, 128, 8), (15, 129, 24), (25, 1024, 32),
      (11, 1025, 33), (40, 2061, 257), (800, 31, 12),
    ] {
      try compare(
        linear(rows: rows, columns: columns, outputs: outputs, activation: .silu), set, &random)
    }
    for _ in 0..<12 {
      let graph = linear(
        rows: Int.random(in: 9...90, using: &random),
        columns: Int.random(in: 16...700, using: &random),
        outputs: Int.random(in: 1...150, using: &random))
      try compare(graph, set, &random)
    }
  }

  @Test(arguments: sets) func convolutionsQuantizeTheirPatches(_ set: InstructionSet) throws {
    var random = SplitMix(seed: 29)
    for graph in PatchConvolutions.graphs { try compare(graph, set, &random) }
  }

  @Test(arguments: sets) func theLargestSumsDoNotOverflow(_ set: InstructionSet) throws {
    let graph = linear(rows: 10, columns: 2061, outputs: 18)
    let input = (0..<10 * 2061).map { ($0 / 2061).isMultiple(of: 3) ? Float(3) : -3 }
    // Ones and minus ones, by row.
    let signs: [UInt16] = (0..<18 * 2061).map { ($0 / 2061).isMultiple(of: 2) ? 0x3f80 : 0xbf80 }
    var weights = MemorySource()
    weights.add("w", [18, 2061], .bf16, bytes: signs.withUnsafeBytes(Array.init))
    let output = try run(
      graph, on: CPUBackend(threads: 1, instructionSet: set), weights, input)
    for (index, value) in output.enumerated() {
      let (row, column) = index.quotientAndRemainder(dividingBy: 18)
      let isPositive = row.isMultiple(of: 3) == column.isMultiple(of: 2)
      #expect(abs(value - (isPositive ? 6183 : -6183)) < 0.01)
    }
  }

  @Test(arguments: sets) func rowsOfZerosAndRowsThatAreNotFiniteStayWhatTheyAre(
    _ set: InstructionSet
  ) throws {
    let graph = linear(rows: 12, columns: 150, outputs: 9)
    var random = SplitMix(seed: 31)
    var input = random.floats(12 * 150)
    for column in 0..<150 { input[4 * 150 + column] = 0 }
    for (row, number) in [(1, Float.nan), (6, .infinity), (11, -.infinity)] {
      input[row * 150 + 77] = number
    }
    let output = try run(
      graph, on: CPUBackend(threads: 2, instructionSet: set),
      MemorySource(randomFor: graph, encoding: .bf16), input)
    for (index, value) in output.enumerated() {
      #expect(value.isFinite == ![1, 6, 11].contains(index / 9))
      #expect(index / 9 != 4 || value == 0)
    }
  }
}
