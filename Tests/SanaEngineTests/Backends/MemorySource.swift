import Support
import WeightFormats

/// Weights given in code.
struct MemorySource: WeightSource {
  private var tensors: [String: StoredTensor] = [:]

  mutating func add(
    _ name: String, _ shape: [Int], _ encoding: TensorEncoding, bytes: [UInt8],
    scales: [Float]? = nil, activations: ActivationEncoding = .floatingPoint
  ) {
    tensors[name] = StoredTensor(
      description: TensorDescription(
        name: name, shape: shape, encoding: encoding, activations: activations),
      values: TensorBytes(byteCount: bytes.count) { $0.copyBytes(from: bytes) },
      scales: scales.map { scales in
        scales.withUnsafeBytes { source in
          TensorBytes(byteCount: source.count) { $0.copyMemory(from: source) }
        }
      })
  }

  mutating func add(_ name: String, _ shape: [Int], _ values: [Float]) {
    add(name, shape, .f32, bytes: values.withUnsafeBytes(Array.init))
  }

  func description(of name: String) -> TensorDescription? { tensors[name]?.description }

  func load(_ name: String) throws -> StoredTensor {
    guard let tensor = tensors[name] else {
      throw SanaError(.tensorMismatch, "no tensor '\(name)'", remedy: "add it")
    }
    return tensor
  }
}
