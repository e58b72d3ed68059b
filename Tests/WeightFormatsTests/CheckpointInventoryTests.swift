import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct CheckpointInventoryTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private func copy() throws -> String {
    try directory.copy(Checkpoints.url("sana-tiny"), to: "sana-tiny")
  }

  /// A pipeline with a ControlNet, as a community checkpoint has it.
  private func pipelineWithControlNet() throws -> String {
    let path = try copy()
    let index = URL(filePath: path + "/model_index.json")
    try String(contentsOf: index, encoding: .utf8)
      .replacingOccurrences(of: "\"SanaPipeline\"", with: "\"SanaControlNetPipeline\"")
      .replacingOccurrences(
        of: "\"scheduler\":",
        with: "\"controlnet\": [\"diffusers\", \"SanaControlNetModel\"], \"scheduler\":"
      )
      .write(to: index, atomically: true, encoding: .utf8)
    try SparseWeights.write(
      [
        CheckpointTensor(name: "controlnet_blocks.0.weight", type: .f16, shape: [8, 8]),
        CheckpointTensor(name: "input_block.weight", type: .f16, shape: [8, 8]),
      ], to: path + "/controlnet/diffusion_pytorch_model.safetensors")
    try directory.write(
      #"{"_class_name": "SanaControlNetModel"}"#, to: "sana-tiny/controlnet/config.json")
    return path
  }

  @Test func listsEveryFileSet() throws {
    let path = try copy()
    try CheckpointEdits.rewrite(
      path + "/transformer/diffusion_pytorch_model.safetensors",
      as: path + "/transformer/diffusion_pytorch_model.fp16.safetensors"
    ) { $1.converted(to: .f16) }
    let inventory = try CheckpointInventory(path: path)
    #expect(inventory.pipelineClass == "SanaPipeline")
    #expect(inventory.scheduler == .dpmSolver(flowShift: 3, trainingTimesteps: 1000))
    let transformer = try #require(inventory.parts.first { $0.name == "transformer" })
    #expect(transformer.kind == .transformer)
    #expect(transformer.className == "SanaTransformer2DModel")
    #expect(transformer.releases.isEmpty && transformer.remark == nil)
    #expect(transformer.fileSets.map(\.variant) == [nil, "fp16"])
    #expect(
      transformer.fileSets.map { $0.numberCounts.keys.map(\.rawValue) } == [["F32"], ["F16"]])
    let checkpoint = try OfficialCheckpoint(path: path, components: [.transformer])
    #expect(
      transformer.fileSets[0].parameterCount
        == checkpoint.components[0].weights.tensors.reduce(0) { $0 + $1.elementCount })
    #expect(transformer.fileSets.allSatisfy { !$0.hasOriginalNames && $0.format == .safetensors })
    let encoder = try #require(inventory.parts.first { $0.name == "text_encoder" })
    #expect(encoder.fileSets.first?.fileNames.count == 3)
  }

  @Test func listsAControlNetThatIsNotRun() throws {
    let path = try pipelineWithControlNet()
    let part = try #require(
      try CheckpointInventory(path: path).parts.first { $0.name == "controlnet" })
    #expect(part.className == "SanaControlNetModel" && part.kind == nil)
    #expect(part.fileSets.first?.parameterCount == 128)
    #expect(part.remark?.contains("not run yet") == true)
    for own in ["/controlnet", "/controlnet/diffusion_pytorch_model.safetensors"] {
      let part = try #require(try CheckpointInventory(path: path + own).parts.first)
      #expect(part.className == "SanaControlNetModel")
      #expect(part.remark?.contains("not run yet") == true)
      #expect(throws: SanaError.self) { try OfficialCheckpoint(path: path + own) }
    }
  }

  @Test func thePipelineAroundAControlNetConvertsAndExportsAsAPlainOne() throws {
    let path = try pipelineWithControlNet()
    let checkpoint = try OfficialCheckpoint(path: path)
    #expect(checkpoint.notices.count == 1)
    #expect(checkpoint.notices.first?.contains("'controlnet' is left out") == true)
    #expect(checkpoint.pipelineClass == "SanaPipeline")
    let model = directory.path("model.sana")
    try CheckpointConversion(checkpoint).write(to: model)
    try OfficialExport(ModelFile(path: model)).write(to: directory.path("export"))
    let index = try JSONParser.parse(file: directory.path("export/model_index.json"))
    #expect(index["_class_name"] == "SanaPipeline" && index["controlnet"] == nil)
    // Whatever the components, the index is that of a pipeline without it.
    #expect(
      try OfficialCheckpoint(path: path, components: [.autoencoder]).pipelineClass
        == "SanaPipeline")
  }

  @Test func recognizesAnAdapter() throws {
    let path = directory.path("lora.safetensors")
    let name = "transformer.transformer_blocks.0.attn1.to_q"
    try SparseWeights.write(
      [
        CheckpointTensor(name: "\(name).lora_A.weight", type: .bf16, shape: [4, 128]),
        CheckpointTensor(name: "\(name).lora_B.weight", type: .bf16, shape: [128, 4]),
      ], to: path)
    var part = try #require(try CheckpointInventory(path: path).parts.first)
    #expect(part.kind == nil)
    #expect(
      part.remark?.hasPrefix(
        "LoRA of rank 4 for 1 module, alpha 4 from the rank, since nothing states it; it fits no released model ('\(name).lora_A.weight' makes a matrix of 128 x 128 for 'transformer_blocks.0.attn1.to_q.weight' of the shape [1152, 1152])"
      ) == true)
    try SparseWeights.write(
      [
        CheckpointTensor(name: "\(name).lora_A.weight", type: .bf16, shape: [4, 2240]),
        CheckpointTensor(name: "\(name).lora_B.weight", type: .bf16, shape: [2240, 4]),
      ], to: path)
    part = try #require(try CheckpointInventory(path: path).parts.first)
    #expect(part.remark?.contains("merge it with --lora into Sana 1.6B 512px, Sana 1.6B") == true)
    try SparseWeights.write(
      [CheckpointTensor(name: "\(name).lora_A.weight", type: .bf16, shape: [4, 128])], to: path)
    part = try #require(try CheckpointInventory(path: path).parts.first)
    #expect(part.remark?.contains("lacks its other half") == true)
  }

  @Test func saysWhatMergingAnAdapterWouldDo() throws {
    let path = directory.path("lora.safetensors")
    let name = "transformer.transformer_blocks.0.attn1.to_q"
    let checkpoint = try OfficialCheckpoint(path: try copy())
    for (width, expected) in [
      (128, "LoRA of rank 4 for 1 module, alpha 4 from the rank, since"),
      (2240, "makes a matrix of 2240 x 2240 for 'transformer_blocks.0.attn1.to_q.weight' of"),
    ] {
      try SparseWeights.write(
        [
          CheckpointTensor(name: "\(name).lora_A.weight", type: .bf16, shape: [4, width]),
          CheckpointTensor(name: "\(name).lora_B.weight", type: .bf16, shape: [width, 4]),
        ], to: path)
      let adapter = try LowRankAdapter(path: path)
      do {
        let remarks = try checkpoint.remarks(merging: adapter)
        #expect(remarks.first?.hasPrefix(expected) == true)
        #expect(
          try CheckpointConversion(checkpoint, adapters: [adapter]).notices.contains(
            remarks.map { "lora.safetensors: \($0)" }))
      } catch {
        #expect(error.message.contains(expected))
        #expect(error.remedy.hasPrefix("use it with the transformer of Sana 1.6B 512px or Sana"))
      }
    }
  }

  @Test func saysWhatIsWrongWithAPart() throws {
    let path = try copy()
    try FileManager.default.removeItem(atPath: path + "/vae")
    let configuration = URL(filePath: path + "/transformer/config.json")
    try String(contentsOf: configuration, encoding: .utf8)
      .replacingOccurrences(of: "\"num_layers\": 3", with: "\"num_layers\": 2")
      .write(to: configuration, atomically: true, encoding: .utf8)
    let parts = try CheckpointInventory(path: path).parts
    #expect(parts.first { $0.name == "vae" }?.remark == "the folder is missing")
    let transformer = try #require(parts.first { $0.name == "transformer" })
    #expect(transformer.remark?.contains("'num_layers' means 2 modules") == true)
    #expect(transformer.fileSets.count == 1)
    #expect(throws: SanaError.self) { try CheckpointInventory(path: directory.path("absent")) }
    #expect(throws: SanaError.self) { try CheckpointInventory(path: directory.url.path) }
  }

  @Test func aVariantIsFoundByItsFilesNames() throws {
    let path = try copy() + "/transformer"
    let plain = path + "/diffusion_pytorch_model.safetensors"
    for (variant, type) in [("fp16", ScalarType.f16), ("bf16", .bf16)] {
      try CheckpointEdits.rewrite(
        plain, as: "\(path)/diffusion_pytorch_model.\(variant).safetensors"
      ) {
        $1.converted(to: type)
      }
      #expect(try OfficialCheckpoint(path: path, variant: variant).components[0].variant == variant)
    }
    var error = #expect(throws: SanaError.self) {
      try OfficialCheckpoint(path: path, variant: "fp8")
    }
    #expect(error?.message.contains("it has: bf16, fp16") == true)
    try FileManager.default.removeItem(atPath: plain)
    error = #expect(throws: SanaError.self) { try OfficialCheckpoint(path: path) }
    #expect(error?.message.contains("only the variants bf16, fp16") == true)
    #expect(error?.remedy == "pass --variant bf16")
  }
}
