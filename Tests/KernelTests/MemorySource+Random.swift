import TestSupport
import CKernels
import SanaEngine
import SanaGraph
import Support
import WeightFormats

extension MemorySource {
  /// A weight for every parameter of a graph, random, in one encoding.
  init(
    randomFor graph: Graph, encoding: TensorEncoding,
    activations: ActivationEncoding = .floatingPoint,
    seed: UInt64 = 7
  ) {
    var random = SplitMix(seed: seed)
    self.init()
    for parameter in graph.parameters {
      // Vectors and depthwise kernels stay in floating point, as every recipe leaves them.
      let isMatrix = [2, 4].contains(parameter.shape.count)
      let description = TensorDescription(
        name: parameter.name, shape: parameter.shape, encoding: isMatrix ? encoding : .bf16,
        activations: isMatrix ? activations.fitting(parameter.shape) : .floatingPoint)
      add(Self.tensor(description, &random))
      if description.activations.hasFactors {
        let factors = InputFactors.description(of: description)
        add(
          factors.name, factors.shape,
          (0..<factors.elementCount).map { _ in Float.random(in: 0.25...4, using: &random) })
      }
    }
  }

  private static func tensor(
    _ description: TensorDescription, _ random: inout SplitMix
  ) -> StoredTensor {
    let scale = 1 / Float(max(description.columns, 1)).squareRoot()
    var bytes: [UInt8]
    var scales: TensorBytes?
    switch description.encoding {
    case .f32:
      bytes = random.floats(description.elementCount, scale: scale).withUnsafeBytes(Array.init)
    case .f16, .bf16:
      let floats = random.floats(description.elementCount, scale: scale)
      var halves = [UInt16](repeating: 0, count: floats.count)
      if description.encoding == .f16 {
        sana_f32_to_f16(floats, &halves, floats.count)
      } else {
        sana_f32_to_bf16(floats, &halves, floats.count)
      }
      bytes = halves.withUnsafeBytes(Array.init)
    default:
      bytes = (0..<description.valueByteCount).map { _ in UInt8.random(in: 0...255, using: &random)
      }
      if case .int4Grouped = description.encoding {
        bytes = bytes.map { max($0 & 0xf, 1) | max($0 >> 4, 1) << 4 }
      } else {
        bytes = bytes.map { $0 == 0x80 ? 0 : $0 }
      }
      let values = (0..<description.scaleCount).map { _ in
        Float.random(in: 0.5...1, using: &random) * scale / 64
      }
      scales = values.withUnsafeBytes { source in
        TensorBytes(byteCount: source.count) { $0.copyMemory(from: source) }
      }
    }
    return StoredTensor(
      description: description,
      values: TensorBytes(byteCount: bytes.count) { $0.copyBytes(from: bytes) }, scales: scales)
  }
}

extension ActivationEncoding {
  /// The same for a weight of this shape, whose blocks of columns may have to be smaller, and which
  /// has none if it is a kernel.
  fileprivate func fitting(_ shape: [Int]) -> ActivationEncoding {
    guard rotation > 1, let columns = shape.last else { return self }
    let largest = shape.count == 2 ? 1 << columns.trailingZeroBitCount : 1
    return ActivationEncoding(
      planes: planes, hasFactors: hasFactors, rotation: min(rotation, largest))
  }
}
