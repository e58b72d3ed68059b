import TestSupport
import SanaEngine
import SanaGraph
import WeightFormats

extension MemorySource {
  /// Weights in f32 whose first and every seventh input channel is many times larger, with factors
  /// that balance the channels. Matrices and kernels `[O, k, k, I]` are for int8 activations.
  init(outliersOf shapes: [String: [Int]], seed: UInt64) {
    var random = SplitMix(seed: seed)
    self.init()
    let outliers: [Int: (size: Float, factor: Float)] = [1: (5, 2), 3: (19, 4), 5: (200, 8)]
    for (name, shape) in shapes.sorted(by: { $0.key < $1.key }) {
      let channels = shape[shape.count - 1]
      let isMatrix = shape.count % 2 == 0
      let values = (0..<shape.reduce(1, *)).map { index in
        let (size, factor) = outliers[index % channels % 7, default: (1, 1)]
        return Float.random(in: -1...1, using: &random) * (isMatrix ? size / factor : size)
      }
      let activations =
        isMatrix ? ActivationEncoding(planes: 1, hasFactors: true) : .floatingPoint
      add(name, shape, values, activations: activations)
      if isMatrix {
        add(
          InputFactors.name(of: name), [channels],
          (0..<channels).map { outliers[$0 % 7, default: (1, 1)].factor })
      }
    }
  }

  /// The output of a graph for random inputs.
  func run(_ graph: Graph, on backend: some Backend) throws -> [Float] {
    let executable = try backend.load(self).prepare(graph)
    var random = SplitMix(seed: 31)
    for input in graph.inputs {
      let shape = graph[input].shape
      executable.write(HostTensor(shape, random.floats(shape.elementCount)), to: input)
    }
    try executable.run(observer: nil)
    return executable.read(graph.outputs[0]).values
  }
}
