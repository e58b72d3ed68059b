import TestSupport
import Support
import Traces
import WeightFormats

extension MemorySource {
  /// The weights recorded with a unit operation, under their PyTorch names, presented as the
  /// tensors of a container.
  ///
  /// - Parameters:
  ///   - parameters: the tensors that the graph asks for.
  ///   - path: from a PyTorch name to the dataset.
  init(
    recordedIn trace: TraceFile, parameters: [(name: String, shape: [Int])],
    path: (String) -> String
  ) throws {
    self.init()
    for (name, shape) in parameters {
      let sources = Self.officialNames(of: name)
      let arrays = try sources.map { try trace.floats(path($0)) }
      let rule = FusionRule(
        name: name, shape: shape, fusion: Self.fusion(name, shape),
        sources: zip(sources, arrays).map { OfficialTensor(name: $0, shape: $1.shape) })
      let fused = rule.fuse(
        arrays.map { array in
          TensorElements(
            type: .f32,
            bytes: TensorBytes(byteCount: array.values.count * 4) { memory in
              array.values.withUnsafeBytes { memory.copyMemory(from: $0) }
            })
        })
      add(
        StoredTensor(
          description: TensorDescription(name: name, shape: shape, encoding: .f32),
          values: fused.bytes))
    }
  }

  private static func officialNames(of name: String) -> [String] {
    for (fused, parts) in [
      ("to_qkv.", ["to_q.", "to_k.", "to_v."]), ("to_kv.", ["to_k.", "to_v."]),
      ("qkv_proj.", ["q_proj.", "k_proj.", "v_proj."]),
      ("gate_up_proj.", ["gate_proj.", "up_proj."]), ("conv.phases.", ["conv."]),
    ] where name.contains(fused) {
      return parts.map { name.replacing(fused, with: $0) }
    }
    return [name]
  }

  private static func fusion(_ name: String, _ shape: [Int]) -> FusionRule.Fusion {
    if name.contains("phases") { return .upsamplePhases }
    if officialNames(of: name).count > 1 { return .concatenateRows }
    return switch shape.count {
    case 4: .channelsLast
    case 3: .depthwiseChannelsLast
    default: .reshape
    }
  }
}
