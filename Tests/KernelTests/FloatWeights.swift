import WeightFormats

/// One weight in f32 for int8 activations, under every name.
struct FloatWeights: WeightSource {
  let values: [Float]
  let shape: [Int]

  func description(of name: String) -> TensorDescription? { describe(name) }

  func load(_ name: String) throws -> StoredTensor {
    StoredTensor(
      description: describe(name),
      values: values.withUnsafeBytes { source in
        TensorBytes(byteCount: source.count) { $0.copyMemory(from: source) }
      }, scales: nil)
  }

  private func describe(_ name: String) -> TensorDescription {
    TensorDescription(name: name, shape: shape, encoding: .f32, activations: .int8PerToken)
  }
}
