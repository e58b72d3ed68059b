import SanaEngine
import SanaGraph
import Support
import WeightFormats

/// Weights without meaning, made when they are asked for: only their size and encoding matter here.
struct SyntheticWeights: WeightSource {
  private let descriptions: [String: TensorDescription]

  /// - Parameter encoding: how a parameter is stored, and what its product does with activations.
  init(
    for graph: Graph, encoding: (Parameter) -> (TensorEncoding, ActivationEncoding)
  ) {
    descriptions = Dictionary(
      uniqueKeysWithValues: graph.parameters.map {
        let (encoding, activations) = encoding($0)
        return (
          $0.name,
          TensorDescription(
            name: $0.name, shape: $0.shape, encoding: encoding, activations: activations)
        )
      })
  }

  func description(of name: String) -> TensorDescription? { descriptions[name] }

  func load(_ name: String) throws -> StoredTensor {
    guard let description = descriptions[name] else {
      throw SanaError(.tensorMismatch, "no tensor '\(name)'", remedy: "add it")
    }
    let values = TensorBytes(byteCount: description.valueByteCount) { bytes in
      var state: UInt32 = 1
      switch description.encoding {
      case .int8PerChannel, .int8Grouped, .int4Grouped, .plain:
        for index in bytes.indices {
          state = state &* 1_664_525 &+ 1_013_904_223
          bytes[index] = max(UInt8(truncatingIfNeeded: state >> 24), 1)
        }
      case .f32:
        fill(bytes.bindMemory(to: UInt32.self), sign: 0x8000_0000, size: 0x3c00_0000)
      case .bf16:
        fill(bytes.bindMemory(to: UInt16.self), sign: 0x8000, size: 0x3c00)
      case .f16:
        fill(bytes.bindMemory(to: UInt16.self), sign: 0x8000, size: 0x2000)
      }
    }
    let scales = TensorBytes(byteCount: 4 * description.scaleCount) { bytes in
      for index in bytes.bindMemory(to: Float.self).indices {
        bytes.storeBytes(of: 1e-4, toByteOffset: 4 * index, as: Float.self)
      }
    }
    return StoredTensor(
      description: description, values: values,
      scales: description.scaleCount > 0 ? scales : nil)
  }

  /// Small numbers of changing sign.
  private func fill<Bits: FixedWidthInteger>(
    _ numbers: UnsafeMutableBufferPointer<Bits>, sign: Bits, size: Bits
  ) {
    for index in numbers.indices { numbers[index] = index % 3 == 0 ? sign | size : size }
  }
}
