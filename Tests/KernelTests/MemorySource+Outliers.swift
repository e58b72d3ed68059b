import TestSupport
import SanaEngine
import SanaGraph
import WeightFormats

extension MemorySource {
  /// Weights in f32 whose first and every seventh input channel is many times larger. Matrices and
  /// kernels `[O, k, k, I]` are for int8 activations.
  init(outliersOf shapes: [String: [Int]], seed: UInt64) {
    var random = SplitMix(seed: seed)
    self.init()
    for (name, shape) in shapes.sorted(by: { $0.key < $1.key }) {
      let channels = shape[shape.count - 1]
      let values = (0..<shape.reduce(1, *)).map { index in
        Float.random(in: -1...1, using: &random)
          * [1: 5, 3: 19, 5: 200][index % channels % 7, default: 1]
      }
      add(name, shape, values, activations: shape.count % 2 == 0 ? .int8PerToken : .floatingPoint)
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
