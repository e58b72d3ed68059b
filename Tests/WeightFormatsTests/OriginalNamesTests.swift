import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// Names and shapes without numbers.
private struct NamedTensors: CheckpointTensors {
  let tensors: [CheckpointTensor]
  let sourceFiles: [SourceFile] = []

  func tensor(named name: String) -> CheckpointTensor? { tensors.first { $0.name == name } }
  func origin(of name: String) -> TensorOrigin? {
    tensor(named: name).map { TensorOrigin(path: "x.pth", name: $0.name) }
  }
  func elements(of name: String) -> TensorElements? { nil }
}

@Suite struct OriginalNamesTests {
  private func rename(_ tensors: [(String, [Int])]) throws -> RenamedTensors? {
    try RenamedTensors(
      NamedTensors(
        tensors: tensors.map { CheckpointTensor(name: $0.0, type: .bf16, shape: $0.1) }),
      location: "x.pth")
  }

  private static let ends: [(String, [Int])] = [
    ("x_embedder.proj.weight", [8, 4, 1, 1]), ("final_layer.linear.weight", [4, 8]),
  ]

  @Test func otherNamesAreLeftAlone() throws {
    #expect(try rename([("patch_embed.proj.weight", [8, 4, 1, 1])]) == nil)
  }

  @Test func fusedProjectionsAreDivided() throws {
    let renamed = try #require(
      try rename(
        Self.ends + [
          ("blocks.3.attn.qkv.weight", [24, 8]), ("blocks.3.cross_attn.kv_linear.bias", [16]),
        ]))
    for name in ["attn1.to_q.weight", "attn1.to_k.weight", "attn1.to_v.weight"] {
      #expect(renamed.tensor(named: "transformer_blocks.3.\(name)")?.shape == [8, 8])
    }
    #expect(renamed.tensor(named: "transformer_blocks.3.attn2.to_v.bias")?.shape == [8])
    #expect(
      renamed.origin(of: "transformer_blocks.3.attn1.to_k.weight")
        == TensorOrigin(path: "x.pth", name: "blocks.3.attn.qkv.weight"))
    #expect(renamed.origin(of: "blocks.3.attn.qkv.weight") == nil)
  }

  /// DC-AE-Lite's last convolution stands in a block of its own; everything else is named as in
  /// DC-AE.
  @Test func theUpsamplingToThePictureIsFound() throws {
    let renamed = try #require(
      try rename([
        ("encoder.project_in.conv.weight", [8, 3, 3, 3]),
        ("decoder.project_out.op_list.0.weight", [8]),
        ("decoder.project_out.op_list.2.conv.conv.weight", [12, 8, 3, 3]),
        ("decoder.project_out.op_list.2.conv.conv.bias", [12]),
        ("decoder.stages.1.op_list.0.main.conv.conv.weight", [32, 8, 3, 3]),
      ]))
    #expect(renamed.tensor(named: "decoder.conv_out.conv.weight")?.shape == [12, 8, 3, 3])
    #expect(renamed.tensor(named: "decoder.conv_out.conv.bias")?.shape == [12])
    #expect(renamed.tensor(named: "decoder.norm_out.weight")?.shape == [8])
    #expect(renamed.tensor(named: "decoder.up_blocks.1.0.conv.weight")?.shape == [32, 8, 3, 3])
  }

  @Test func namesNobodyKnowsStay() throws {
    let renamed = try #require(
      try rename(Self.ends + [("blocks.0.adapter", [1]), ("pos_embed", [1, 16, 8])]))
    #expect(renamed.tensor(named: "blocks.0.adapter") != nil)
    #expect(renamed.tensor(named: "pos_embed") == nil)
  }

  @Test func refusesWhatCannotBeDivided() throws {
    let error = try #require(throws: SanaError.self) {
      try rename(Self.ends + [("blocks.0.attn.qkv.weight", [25, 8])])
    }
    #expect(error.code == .tensorMismatch && error.message.contains("blocks.0.attn.qkv.weight"))
  }

  @Test func aControlNetIsNotRunYet() throws {
    let error = try #require(throws: SanaError.self) {
      try rename(Self.ends + [("controlnet.0.before_proj.weight", [8, 8])])
    }
    #expect(error.message.contains("not run yet"))
  }
}

/// The published table of names against every official release, where `SANA_REFERENCE` names it.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["SANA_REFERENCE"] != nil))
struct OriginalNamesManifestTests {
  private static let folder =
    (ProcessInfo.processInfo.environment["SANA_REFERENCE"] ?? "") + "/manifests"

  private static var manifests: [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasSuffix(".json") && !$0.hasPrefix("pth") }.sorted()
  }

  @Test(arguments: manifests)
  func everyTensorIsFound(_ name: String) throws {
    let manifest = try JSONParser.parse(file: "\(Self.folder)/\(name)")
    let table = try JSONParser.parse(file: "\(Self.folder)/pth_keymap.json")
    for (kind, rules) in [(ComponentKind.transformer, "transformer"), (.autoencoder, "dc_ae")] {
      // A release of one component has no others.
      guard let component = manifest["components"]?[kind.officialFolder] else { continue }
      var released: [String: [Int]] = [:]
      for member in try #require(component["tensors"]?.members) {
        released[member.name] = member.value.arrayValue?.last?.arrayValue?.compactMap(
          \.integerValue)
      }
      var covered: Set<String> = []
      var original: [CheckpointTensor] = []
      for rule in try #require(table[rules]?.arrayValue) + [Self.liteRule] {
        for (source, targets) in try Self.expand(rule) {
          guard !targets.isEmpty, targets.allSatisfy({ released[$0] != nil }),
            covered.isDisjoint(with: targets), var shape = released[targets[0]]
          else { continue }
          covered.formUnion(targets)
          shape[0] *= targets.count
          if rule["op"]?.stringValue?.contains("drop") == true { shape += [1, 1] }
          original.append(CheckpointTensor(name: source, type: .bf16, shape: shape))
        }
      }
      #expect(covered == Set(released.keys))
      let renamed = try #require(
        try RenamedTensors(NamedTensors(tensors: original), location: name))
      #expect(
        Dictionary(uniqueKeysWithValues: renamed.tensors.map { ($0.name, $0.shape) }) == released)
      let configuration = try ComponentConfiguration(
        kind, official: #require(component["config"]), location: name)
      #expect(throws: Never.self) {
        try FusedCheckpointSource(renamed, configuration: configuration)
      }
    }
  }

  /// What the table does not have.
  private static let liteRule: MetadataValue = [
    "original": "decoder.project_out.2.conv.conv.{wb}",
    "diffusers": "decoder.conv_out.conv.{wb}",
  ]

  /// The rule's names with every number that a release may have in them.
  private static func expand(_ rule: MetadataValue) throws -> [(String, [String])] {
    let source = try #require((rule["pth"] ?? rule["original"])?.stringValue)
    let targets: [String]
    if let names = rule["diffusers"]?.arrayValue {
      targets = names.compactMap(\.stringValue)
    } else {
      let name = try #require(rule["diffusers"]?.stringValue)
      targets =
        name.contains("|")
        ? ["to_q", "to_k", "to_v"].map { (part: String) in
          name.replacing("to_q|to_k|to_v", with: part)
        } : [name]
    }
    var pairs: [(String, [String])] = [(source, targets)]
    let numbers = (0..<60).map { "\($0)" }
    let values: [(mark: String, values: [String])] = [
      ("{i}", numbers), ("{s}", Array(numbers.prefix(6))), ("{b}", Array(numbers.prefix(8))),
      ("{last}", Array(numbers.prefix(8))), ("{wb}", ["weight", "bias"]),
    ]
    for (mark, values) in values where source.contains(mark) {
      var expanded: [(String, [String])] = []
      for (source, targets) in pairs {
        for value in values {
          func fill(_ name: String) -> String { name.replacing(mark, with: value) }
          expanded.append((fill(source), targets.map(fill)))
        }
      }
      pairs = expanded
    }
    return pairs
  }
}
