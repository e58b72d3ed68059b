import SanaEngine
import Testing
import WeightFormats

/// int8 convolutions some of whose input channels have much larger weights than the others.
@Suite struct BalancedConvolutionTests {
  /// Weights in f32 for int8 activations, whose first and every seventh channel is many times larger.
  private struct Outliers: WeightSource {
    let weight: StoredTensor

    init(_ shape: [Int], seed: UInt64) {
      var random = RandomNumbers(seed: seed)
      let channels = shape[3]
      let values = (0..<shape.reduce(1, *)).map { index in
        Float.random(in: -1...1, using: &random)
          * [1: 5, 3: 19, 5: 200][index % channels % 7, default: 1]
      }
      let bytes = values.withUnsafeBytes { source in
        TensorBytes(byteCount: source.count) { $0.copyMemory(from: source) }
      }
      weight = StoredTensor(
        description: TensorDescription(
          name: "w", shape: shape, encoding: .f32, activations: .int8PerToken),
        values: bytes, scales: nil)
    }

    func description(of name: String) -> TensorDescription? { weight.description }
    func load(_ name: String) throws -> StoredTensor { weight }
  }

  private func run(_ graph: Graph, _ weights: Outliers, on backend: some Backend) throws -> [Float]
  {
    let executable = try backend.load(weights).prepare(graph)
    var random = RandomNumbers(seed: 31)
    let shape = graph[graph.inputs[0]].shape
    executable.write(
      HostTensor(shape, random.floats(shape.elementCount)), to: graph.inputs[0])
    try executable.run(observer: nil)
    return executable.read(graph.outputs[0]).values
  }

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
      let weights = Outliers(shape, seed: UInt64(channels))
      let expected = try run(graph, weights, on: ReferenceBackend())
      let actual = try run(graph, weights, on: CPUBackend(threads: 3, instructionSet: set))
      let alone = try run(graph, weights, on: CPUBackend(threads: 1, instructionSet: set))
      #expect(alone == actual)
      let decibels = signalToNoise(actual, expected)
      #expect(decibels >= 110, "\(graph.name): \(decibels) dB")
    }
  }
}
