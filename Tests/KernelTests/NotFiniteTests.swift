import TestSupport
import CPUBackend
import SanaEngine
import SanaGraph
import Testing

/// A number that is not finite is never quantized away: what depends on it is not finite either, and nothing else is affected.
@Suite struct NotFiniteTests {
  private func run(
    _ graph: Graph, _ set: InstructionSet, _ change: (inout [Float]) -> Void
  ) throws -> HostTensor {
    let weights = MemorySource(
      randomFor: graph, encoding: .int8PerChannel, activations: .int8PerToken)
    let executable = try CPUBackend(threads: 2, instructionSet: set).load(weights).prepare(graph)
    var random = SplitMix(seed: 41)
    for input in graph.inputs {
      var values = random.floats(graph[input].shape.elementCount)
      if input == graph.inputs[0] { change(&values) }
      executable.write(HostTensor(graph[input].shape, values), to: input)
    }
    try executable.run(observer: nil)
    return executable.read(graph.outputs[0])
  }

  /// - Parameter reach: pixels of the input from an output that depends on one to that one, at least and at most.
  private func check(
    _ size: Shape, factor: Int = 1, reach: (least: Int, most: Int), _ set: InstructionSet,
    _ build: (inout GraphBuilder, Value) -> Value
  ) throws {
    var builder = GraphBuilder(name: "not finite")
    let graph = { builder.finish(outputs: [$0]) }(build(&builder, builder.input("x", size)))
    var random = SplitMix(seed: 43)
    for number in [Float.nan, .infinity, -.infinity] {
      let y = Int.random(in: 0..<size.height, using: &random)
      let x = Int.random(in: 0..<size.width, using: &random)
      let channel = Int.random(in: 0..<size.channels, using: &random)
      let output = try run(graph, set) { values in
        values[((size.height + y) * size.width + x) * size.channels + channel] = number
      }
      let shape = output.shape
      for (index, value) in output.values.enumerated() {
        let position = index / shape.channels
        let (row, column) = position.quotientAndRemainder(dividingBy: shape.width)
        let distance = max(
          abs(row % shape.height / factor - y), abs(column / factor - x))
        if row / shape.height == 1, distance <= reach.least {
          #expect(!value.isFinite)
        } else if row / shape.height == 0 || distance > reach.most {
          #expect(value.isFinite)
        }
      }
    }
  }

  /// Pixels along a side of a tile of a 3x3 convolution: as far as a number in it can reach.
  private func tile(_ set: InstructionSet) -> Int { set.winogradTile.side }

  @Test(arguments: InstructionSet.supported)
  func throughConvolutions(_ set: InstructionSet) throws {
    for channels in [3, 37, 64] {
      let size = Shape(batch: 2, height: 9, width: 11, channels: channels)
      try check(size, reach: (1, tile(set)), set) { builder, x in
        builder.convolution(x, weight: Parameter("w", [33, 3, 3, channels]), activation: .silu)
      }
      try check(size, factor: 2, reach: (0, 1), set) { builder, x in
        builder.upsampleConvolution(x, weight: Parameter("w", [4 * 33, 2, 2, channels]))
      }
    }
  }

  @Test(arguments: InstructionSet.supported)
  func throughResidualBlocks(_ set: InstructionSet) throws {
    let size = Shape(batch: 2, height: 12, width: 31, channels: 20)
    try check(size, reach: (2, 2 * tile(set)), set) { builder, x in
      let input = builder.activate(x, .geluTanh)
      let first = builder.convolution(
        input, weight: Parameter("v", [20, 3, 3, 20]), activation: .silu)
      let second = builder.convolution(first, weight: Parameter("w", [20, 3, 3, 20]))
      return builder.rmsNorm(
        second, weight: Parameter("n", [20]), epsilon: 1e-5, residual: input)
    }
  }

  @Test(arguments: InstructionSet.supported)
  func throughProducts(_ set: InstructionSet) throws {
    try check(Shape(batch: 2, height: 3, width: 5, channels: 30), reach: (0, 0), set) {
      builder, x in
      builder.linear(x, weight: Parameter("w", [70, 30]), activation: .geluTanh)
    }
  }

  @Test(arguments: InstructionSet.supported)
  func throughFeedForwards(_ set: InstructionSet) throws {
    try check(Shape(batch: 2, height: 9, width: 8, channels: 30), reach: (1, 1), set) {
      builder, x in
      let expanded = builder.linear(x, weight: Parameter("w", [128, 30]), activation: .silu)
      return builder.depthwiseConvolution(
        expanded, weight: Parameter("d", [3, 3, 128]), gatedLinearUnit: true)
    }
  }

  /// Every position of the batch element attends to the number's.
  @Test(arguments: InstructionSet.supported)
  func throughAttention(_ set: InstructionSet) throws {
    try check(Shape(batch: 2, height: 7, width: 9, channels: 20), reach: (9, 9), set) {
      builder, x in
      let queryKeyValue = builder.linear(x, weight: Parameter("w", [3 * 64, 20]))
      return builder.reluAttention(
        queryKeyValue, heads: 2, headDimension: 32, layout: .blocks, form: .linear)
    }
  }
}
