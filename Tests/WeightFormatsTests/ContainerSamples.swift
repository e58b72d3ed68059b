import Foundation
import Support
import TestSupport
import WeightFormats

/// Tensors and files that the container's tests share.
enum ContainerSamples {
  enum Content {
    /// Nothing to compress.
    case noise
    /// Compresses well.
    case constant
  }

  static func tensor(
    _ name: String, _ shape: [Int], _ encoding: TensorEncoding,
    activations: ActivationEncoding = .floatingPoint, content: Content = .noise
  ) -> StoredTensor {
    let description = TensorDescription(
      name: name, shape: shape, encoding: encoding, activations: activations)
    var random = SplitMix(seed: UInt64(name.utf8.reduce(7) { $0 &* 31 &+ Int($1) }))
    func bytes(_ count: Int) -> TensorBytes {
      TensorBytes(byteCount: count) { memory in
        for index in memory.indices {
          memory[index] = content == .noise ? UInt8(truncatingIfNeeded: random.next()) : 0x3C
        }
      }
    }
    return StoredTensor(
      description: description, values: bytes(description.valueByteCount),
      scales: encoding.isQuantized ? bytes(description.scaleCount * 4) : nil)
  }

  /// One tensor of every encoding, odd shapes among them.
  static let everyEncoding: [StoredTensor] = [
    tensor("f32", [7, 5], .f32),
    tensor("f16", [3, 3, 3, 5], .f16),
    tensor("bf16", [1], .bf16),
    tensor("scalar", [], .f32),
    tensor("empty", [0, 4], .f16),
    tensor("int8", [9, 33], .int8PerChannel, activations: .int8PerToken),
    tensor("int8 grouped", [5, 40], .int8Grouped(groupSize: 32)),
    tensor("int4 grouped", [5, 33], .int4Grouped(groupSize: 16)),
    tensor("no columns", [3, 0], .int8PerChannel),
    tensor("ids", [11], .plain(.i64)),
    tensor("mask", [13], .plain(.bool)),
    tensor("smooth", [64, 64], .bf16, content: .constant),
    tensor("text", [300], .plain(.u8), content: .constant),
  ]

  static let metadata: MetadataValue = .object([
    .init("nothing", .null), .init("yes", .bool(true)), .init("no", .bool(false)),
    .init("count", .integer(.min)), .init("limit", .number(-.infinity)),
    .init("bytes", .bytes([0, 255])),
    .init("list", .array([.string("grüße 🌱"), .array([]), .object([])])),
  ])

  static func write(
    _ tensors: [StoredTensor], to path: String, kind: ComponentKind = .transformer,
    compression: ContainerCompression = .fast, depth: Int? = nil
  ) throws {
    let writer = try ContainerWriter(path: path, compression: compression, depth: depth)
    try writer.beginComponent(kind, metadata: metadata)
    for tensor in tensors {
      try writer.append(tensor, metadata: .object([.init("of", .string(tensor.description.name))]))
    }
    try writer.finish(metadata: metadata)
  }

  static func withFile<Result>(
    _ tensors: [StoredTensor], compression: ContainerCompression = .fast,
    _ body: (String) throws -> Result
  ) throws -> Result {
    try withTemporaryDirectory { directory in
      let path = directory.path("model.sana")
      try write(tensors, to: path, compression: compression)
      return try body(path)
    }
  }
}

extension TensorBytes {
  var array: [UInt8] { Array(bytes) }
}
