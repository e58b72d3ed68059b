import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// Checkpoints in which training or a conversion to f16 left NaN or infinity.
@Suite struct NotFiniteNumbersTests {
  private let directory: TestDirectory
  private let checkpoint: String
  private var output: String { directory.path("model.sana") }

  init() throws {
    directory = try TestDirectory()
    checkpoint = try directory.copy(Checkpoints.url("sana-tiny"), to: "checkpoint")
  }

  private static let transformer = "/transformer/diffusion_pytorch_model.safetensors"
  private static let autoencoder = "/vae/diffusion_pytorch_model.safetensors"

  @discardableResult
  private func convert(
    _ path: String? = nil, _ precision: StoragePrecision = .keep,
    adapters: [LowRankAdapter] = [], allowsNotFinite: Bool = false
  ) throws -> ConversionReport {
    try CheckpointConversion(
      OfficialCheckpoint(path: path ?? checkpoint), precision: precision, adapters: adapters,
      allowsNotFinite: allowsNotFinite
    ).write(to: output)
  }

  /// The conversion fails and leaves nothing.
  private func message(
    of path: String? = nil, _ precision: StoragePrecision = .keep,
    adapters: [LowRankAdapter] = []
  ) throws -> String {
    let before = try FileNames.list(directory)
    let error = #expect(throws: SanaError.self) { try convert(path, precision, adapters: adapters) }
    #expect(error?.code == .numericalFailure)
    #expect(try FileNames.list(directory) == before)
    return error?.description ?? ""
  }

  @Test(
    arguments: [
      "transformer_blocks.1.attn1.to_q.weight", "scale_shift_table", "patch_embed.proj.weight",
      "transformer_blocks.2.ff.conv_depth.weight", "proj_out.bias",
    ], StoragePrecision.allCases)
  func oneNumberIsCountedOnceAndNamed(_ tensor: String, _ precision: StoragePrecision) throws {
    for (value, words) in [(Float.nan, "1 NaN"), (-.infinity, "1 infinite")] {
      try CheckpointEdits.set([tensor: [3: value]], in: checkpoint + Self.transformer)
      let text = try message(of: checkpoint + "/transformer", precision)
      #expect(
        text.hasPrefix(
          "\(checkpoint)/transformer: 1 number of 1 tensor is not finite: '\(tensor)' of transformer/diffusion_pytorch_model.safetensors (\(words));"
        ), "\(text)")
    }
  }

  @Test func everyTensorIsCountedInItsOwnFile() throws {
    let shard = "/text_encoder/model-00002-of-00003.safetensors"
    let name = try #require(
      try SafetensorsFile(path: checkpoint + shard).tensors.first { $0.name.contains("mlp") }?.name)
    try CheckpointEdits.set([name: [0: .nan, 1: .infinity, 7: .nan]], in: checkpoint + shard)
    let depthwise = try #require(
      try SafetensorsFile(path: checkpoint + Self.autoencoder).tensors.first {
        $0.name.hasSuffix("proj_in.weight")
      }?.name)
    // A kernel before upsampling makes four of the file; a tap of it is one number all the same.
    try CheckpointEdits.set(
      [
        "decoder.up_blocks.0.0.conv.weight": [5: .infinity, 100: -.infinity],
        depthwise: [1: .nan],
        "decoder.conv_in.weight": [0: .nan],
      ], in: checkpoint + Self.autoencoder)
    let text = try message()
    #expect(text.contains("7 numbers of 4 tensors are not finite: "))
    for words in [
      "'\(name)' of text_encoder/model-00002-of-00003.safetensors (2 NaN and 1 infinite)",
      "'decoder.up_blocks.0.0.conv.weight' of vae/diffusion_pytorch_model.safetensors (2 infinite)",
      "'\(depthwise)' of vae/diffusion_pytorch_model.safetensors (1 NaN)",
      "'decoder.conv_in.weight' of vae/diffusion_pytorch_model.safetensors (1 NaN)",
    ] {
      #expect(text.contains(words), "\(text)")
    }
  }

  @Test func moreThanAFewTensorsAreCounted() throws {
    let names = try SafetensorsFile(path: checkpoint + Self.transformer).tensors.map(\.name)
    try CheckpointEdits.set(
      Dictionary(uniqueKeysWithValues: names.map { ($0, [0: Float.nan]) }),
      in: checkpoint + Self.transformer)
    let text = try message()
    #expect(text.contains("\(names.count) numbers of \(names.count) tensors are not finite"))
    #expect(text.contains("and \(names.count - 4) more;"))
    #expect(text.utf8.count < 800)
  }

  @Test func thoseWhoMustKeepThem() throws {
    try CheckpointEdits.set(
      ["scale_shift_table": [3: .nan], "proj_out.bias": [0: .infinity, 1: .nan]],
      in: checkpoint + Self.transformer)
    let report = try convert(nil, .bf16, allowsNotFinite: true)
    #expect(report.notFinite.map(\.name) == ["proj_out.bias", "scale_shift_table"])
    #expect(report.notFinite.map(\.count.nan) == [1, 1])
    #expect(report.keptNumbers?.contains("3 numbers of 2 tensors are not finite") == true)
    let model = try ModelFile(path: output)
    let recorded = try #require(model.metadata["provenance"]?["not_finite"]?.arrayValue)
    #expect(
      recorded.first == [
        "tensor": "proj_out.bias", "file": "diffusion_pytorch_model.safetensors", "nan": 1,
        "infinite": 1,
      ])
    #expect(recorded.count == 2)
    let bias = try model.source(for: .transformer).load("proj_out.bias").values.array
    #expect(bias[0..<2].elementsEqual([0x80, 0x7F]))
    // A finite checkpoint says nothing of them.
    #expect(try convert(Checkpoints.path("sana-tiny"), allowsNotFinite: true).notFinite.isEmpty)
    #expect(try ModelFile(path: output).metadata["provenance"]?["not_finite"] == nil)
  }

  @Test func aFileThatStandsAloneIsNamedOnce() throws {
    let path = checkpoint + Self.autoencoder
    try CheckpointEdits.set(["decoder.conv_in.weight": [9: .nan]], in: path)
    let error = #expect(throws: SanaError.self) { try convert(path) }
    #expect(
      error?.message
        == "1 number of 1 tensor is not finite: 'decoder.conv_in.weight' (1 NaN)")
    #expect(error?.location == path)
  }

  // MARK: - Adapters

  private func lora(_ edit: (inout [Float], inout [Float]) -> Void, scale: Double = 1) throws
    -> LowRankAdapter
  {
    let name = "transformer.transformer_blocks.0.attn1.to_q"
    let path = directory.path("lora.safetensors")
    var down = [Float](repeating: 1, count: 2 * 128)
    var up = [Float](repeating: 1, count: 128 * 2)
    edit(&down, &up)
    let writer = try SafetensorsWriter(
      path: path,
      tensors: [
        CheckpointTensor(name: "\(name).lora_A.weight", type: .f32, shape: [2, 128]),
        CheckpointTensor(name: "\(name).lora_B.weight", type: .f32, shape: [128, 2]),
      ])
    try down.withUnsafeBytes { try writer.write($0, as: "\(name).lora_A.weight") }
    try up.withUnsafeBytes { try writer.write($0, as: "\(name).lora_B.weight") }
    try writer.finish()
    return try LowRankAdapter(path: path, scale: scale)
  }

  @Test func anAdaptersOwnNumbersAreNamed() throws {
    let adapter = try lora({ down, _ in down[7] = .nan })
    let text = try message(adapters: [adapter])
    #expect(
      text.contains(
        "1 number of 1 tensor is not finite: 'transformer.transformer_blocks.0.attn1.to_q.lora_A.weight' of"
      ), "\(text)")
    #expect(text.contains("/lora.safetensors (1 NaN);"), "\(text)")
  }

  @Test(arguments: [StoragePrecision.keep, .f16, .bf16])
  func aSumThatOverflowsIsNamed(_ precision: StoragePrecision) throws {
    let adapter = try lora(
      { down, up in
        down[0] = 1e30
        up[0] = 1e30
      })
    let text = try message(precision, adapters: [adapter])
    #expect(
      text.contains("'transformer/transformer_blocks.0.attn1.to_qkv.weight' (1 infinite)"),
      "\(text)")
    #expect(text.contains("merge the LoRA with a smaller scale"))
  }
}
