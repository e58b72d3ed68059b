import Foundation
import TestSupport
import WeightFormats

/// Models that the quantizer's tests start from.
enum QuantizationSamples {
  /// Numbers between -1 and 1, the same on every run.
  static func numbers(_ count: Int, seed: UInt64 = 1) -> [Float] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    return (0..<count).map { _ in
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
    }
  }

  static func tensor(_ name: String, _ shape: [Int], _ numbers: [Float]? = nil) -> StoredTensor {
    let description = TensorDescription(name: name, shape: shape, encoding: .f32)
    let numbers = numbers ?? self.numbers(description.elementCount, seed: UInt64(name.utf8.count))
    return StoredTensor(
      description: description,
      values: TensorBytes(byteCount: description.valueByteCount) { memory in
        numbers.withUnsafeBytes { memory.copyMemory(from: $0) }
      })
  }

  /// One tensor of each kind that the recipes tell apart.
  static let model: [ComponentKind: [StoredTensor]] = [
    .textEncoder: [
      tensor("embed_tokens.weight", [50, 16]),
      tensor("layers.0.self_attn.qkv_proj.weight", [24, 16]),
      tensor("layers.0.self_attn.o_proj.weight", [16, 16]),
      tensor("layers.0.mlp.gate_up_proj.weight", [64, 16]),
      tensor("layers.0.mlp.down_proj.weight", [16, 32]),
      tensor("layers.0.input_layernorm.weight", [16]),
    ],
    .transformer: [
      tensor("patch_embed.proj.weight", [16, 8]),
      tensor("scale_shift_table", [2, 16]),
      tensor("transformer_blocks.0.scale_shift_table", [6, 16]),
      tensor("transformer_blocks.0.attn1.to_qkv.weight", [48, 16]),
      tensor("transformer_blocks.0.attn1.to_out.0.weight", [16, 16]),
      tensor("transformer_blocks.0.attn1.to_out.0.bias", [16]),
      tensor("transformer_blocks.0.attn2.to_q.weight", [16, 16]),
      tensor("transformer_blocks.0.attn2.to_kv.weight", [32, 16]),
      tensor("transformer_blocks.0.attn2.to_out.0.weight", [16, 16]),
      tensor("transformer_blocks.0.ff.conv_inverted.weight", [80, 16]),
      tensor("transformer_blocks.0.ff.conv_depth.weight", [3, 3, 80]),
      tensor("transformer_blocks.0.ff.conv_point.weight", [16, 40]),
      tensor("proj_out.weight", [8, 16]),
    ],
    .autoencoder: [
      tensor("decoder.conv_in.weight", [16, 3, 3, 8]),
      tensor("decoder.conv_in.bias", [16]),
      tensor("decoder.conv_out.weight", [3, 3, 3, 16]),
      tensor("decoder.up_blocks.0.0.conv.phases.weight", [64, 2, 2, 24]),
      tensor("decoder.up_blocks.0.1.conv1.weight", [16, 3, 3, 16]),
      tensor("decoder.up_blocks.0.1.conv2.weight", [12, 3, 3, 12]),
      tensor("decoder.up_blocks.3.1.attn.to_qkv.weight", [48, 16]),
      tensor("decoder.up_blocks.3.1.conv_out.conv_inverted.weight", [48, 16]),
      tensor("decoder.up_blocks.3.1.conv_out.conv_depth.weight", [3, 3, 48]),
      tensor("decoder.up_blocks.3.1.conv_out.conv_point.weight", [16, 24]),
      tensor("decoder.up_blocks.4.1.conv_out.conv_inverted.weight", [48, 16]),
    ],
  ]

  static func write(_ model: [ComponentKind: [StoredTensor]], to path: String) throws {
    let writer = try ContainerWriter(path: path)
    for kind in ComponentKind.allCases {
      guard let tensors = model[kind] else { continue }
      try writer.beginComponent(kind, metadata: .object([.init("kind", .string(kind.rawValue))]))
      for tensor in tensors { try writer.append(tensor) }
    }
    try writer.finish(
      metadata: .object([.init("provenance", .string("a test")), .init("quantization", .null)]))
  }

  /// Runs `body` with the path of the model and a path for what is made of it.
  static func withModel<Result>(
    _ model: [ComponentKind: [StoredTensor]] = model, _ body: (String, String) throws -> Result
  ) throws -> Result {
    try withTemporaryDirectory { directory in
      let path = directory.path("model.sana")
      try write(model, to: path)
      return try body(path, directory.path("quantized.sana"))
    }
  }
}

extension StoredTensor {
  /// Codes of an int8 tensor.
  var int8Codes: [Int8] { values.bytes.map { Int8(bitPattern: $0) } }

  /// Numbers of an f32 tensor.
  var floats: [Float] { Array(values.bytes.bindMemory(to: Float.self)) }

  var scaleNumbers: [Float] { scales.map { Array($0.bytes.bindMemory(to: Float.self)) } ?? [] }
}
