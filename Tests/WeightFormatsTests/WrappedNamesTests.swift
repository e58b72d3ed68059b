import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// Networks that were saved inside of something.
@Suite struct WrappedNamesTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private static let folders = ["transformer", "text_encoder", "vae"]

  private func clean(_ folder: String) -> String { Checkpoints.path("sana-tiny") + "/" + folder }

  /// A component's tensors.
  private func tensors(of folder: String) throws -> CheckpointEdits.Tensors {
    try CheckpointEdits.tensors(
      clean(folder)
        + (folder == "text_encoder"
          ? "/model.safetensors.index.json" : "/diffusion_pytorch_model.safetensors"))
  }

  /// A component's folder with its tensors under other names, and the tokenizer beside it.
  private func renamed(
    _ folder: String, metadata: [String: String] = [:], _ name: (String) -> String
  ) throws -> (folder: String, file: String) {
    let pipeline = directory.path(UUID().uuidString)
    let target = "\(pipeline)/\(folder)"
    let files = FileManager.default
    try files.createDirectory(atPath: target, withIntermediateDirectories: true)
    try files.copyItem(atPath: clean(folder) + "/config.json", toPath: target + "/config.json")
    try files.createSymbolicLink(
      atPath: pipeline + "/tokenizer", withDestinationPath: clean("tokenizer"))
    let stem = folder == "text_encoder" ? "model" : "diffusion_pytorch_model"
    let file = "\(target)/\(stem).safetensors"
    try CheckpointEdits.write(
      tensors(of: folder).renamed(name), to: file,
      metadata: metadata.merging(["format": "pt"]) { $1 })
    return (target, file)
  }

  private func isSame(_ path: String, as folder: String) throws -> Bool {
    let model = directory.path("\(UUID().uuidString).sana")
    try CheckpointConversion(OfficialCheckpoint(path: path)).write(to: model)
    return try ModelComparison(
      ComparedModel(path: model), ComparedModel(path: clean(folder))
    ).isSame
  }

  @Test(
    arguments: [
      "_orig_mod.", "module.", "model.", "transformer.", "model.diffusion_model.",
      "base_model.model.", "module._orig_mod.", "_orig_mod.module.", "text_encoder.", "vae.",
      "net.denoiser.", "_fsdp_wrapped_module.",
    ], folders)
  func aCommonPrefixIsTakenOffAndSaid(_ prefix: String, _ folder: String) throws {
    let wrapped = try renamed(folder) { prefix + $0 }
    for path in [wrapped.folder, wrapped.file] {
      #expect(try isSame(path, as: folder), "\(path)")
      let notices = try OfficialCheckpoint(path: path).notices
      #expect(notices.count { $0.contains("the prefix '\(prefix)' of all names") } == 1)
      let part = try #require(try CheckpointInventory(path: path).parts.first)
      #expect(part.notices.contains { $0.contains("'\(prefix)'") } && part.remark == nil)
    }
  }

  @Test(arguments: ["_orig_mod", "_checkpoint_wrapped_module"])
  func wrappersInsideOfNamesAreTakenOut(_ module: String) throws {
    let wrapped = try renamed("transformer") {
      $0.replacing("transformer_blocks.1.", with: "transformer_blocks.1.\(module).")
    }
    #expect(try isSame(wrapped.folder, as: "transformer"))
    let notice = try #require(try OfficialCheckpoint(path: wrapped.file).notices.first)
    #expect(notice.contains("wrappers' words are taken out of the names"))
  }

  @Test func aTextEncoderInsideOfAWrappedLanguageModelIsFound() throws {
    for prefix in ["", "module.", "base_model.model."] {
      let names: (String) -> String = { "\(prefix)model.\($0)" }
      let wrapped = try renamed("text_encoder", names)
      var tensors = try tensors(of: "text_encoder").renamed(names)
      tensors.append(
        (
          CheckpointTensor(name: "\(prefix)lm_head.weight", type: .bf16, shape: [2]),
          [0, 0, 0, 0]
        ))
      try CheckpointEdits.write(tensors, to: wrapped.file)
      #expect(try isSame(wrapped.folder, as: "text_encoder"))
      #expect(
        try OfficialCheckpoint(path: wrapped.folder).notices.contains {
          $0.contains("lm_head.weight' is not used")
        })
    }
  }

  @Test func theNamesOfNVlabsAreUnwrappedToo() throws {
    let names: [(String, [Int])] = [
      ("x_embedder.proj.weight", [8, 4, 1, 1]), ("final_layer.linear.weight", [4, 8]),
      ("blocks.0.attn.qkv.weight", [24, 8]), ("blocks.1.cross_attn.kv_linear.bias", [16]),
      ("t_block.1.weight", [48, 8]),
    ]
    func open(_ prefix: String) throws -> Set<CheckpointTensor> {
      let path = directory.path("\(prefix)x.safetensors")
      try SparseWeights.write(
        names.map { CheckpointTensor(name: prefix + $0.0, type: .f16, shape: $0.1) }, to: path)
      let tensors = try OfficialTensors(WeightFiles.open(file: path), location: path)
      #expect(tensors.hasOriginalNames)
      return Set(tensors.tensors.tensors)
    }
    let plain = try open("")
    #expect(plain.contains { $0.name == "transformer_blocks.0.attn1.to_k.weight" })
    for prefix in ["module.", "_orig_mod.", "model.diffusion_model."] {
      #expect(try open(prefix) == plain)
    }
  }

  @Test func aMovingAverageBringsItsCounter() throws {
    let wrapped = try renamed("vae") { "module.\($0)" }
    var tensors = try tensors(of: "vae").renamed { "module.\($0)" }
    tensors.append(
      (CheckpointTensor(name: "n_averaged", type: .i64, shape: []), Array(repeating: 0, count: 8)))
    try CheckpointEdits.write(tensors, to: wrapped.file)
    #expect(try isSame(wrapped.folder, as: "vae"))
  }

  @Test func severalNetworksInOneFileAreRefusedByName() throws {
    let wrapped = try renamed("transformer") { "model.diffusion_model.\($0)" }
    var tensors = try tensors(of: "transformer").renamed { "model.diffusion_model.\($0)" }
    tensors += try self.tensors(of: "vae").renamed { "first_stage_model.\($0)" }
    try CheckpointEdits.write(tensors, to: wrapped.file)
    let error = try #require(throws: SanaError.self) {
      try OfficialCheckpoint(path: wrapped.folder)
    }
    #expect(error.code == .unsupported && error.message.contains("'model.diffusion_model.'"))
    #expect(error.message.contains("'first_stage_model."))
  }

  @Test func aNetworkWithAnAdapterAroundItIsRefusedByName() throws {
    let wrapped = try renamed("transformer") {
      "base_model.model." + $0.replacing(".to_q.", with: ".to_q.base_layer.")
    }
    for path in [wrapped.folder, wrapped.file] {
      let error = try #require(throws: SanaError.self) { try OfficialCheckpoint(path: path) }
      #expect(error.code == .unsupported && error.message.contains(".to_q.base_layer."))
      #expect(error.remedy.contains("merge_and_unload()"))
    }
    let part = try #require(try CheckpointInventory(path: wrapped.file).parts.first)
    #expect(part.remark?.contains("adapter around it that is not merged") == true)
  }

  @Test func anAdapterInTheNetworksPlaceIsRefusedByName() throws {
    let wrapped = try renamed("transformer") { $0 }
    try SparseWeights.write(
      ["A", "B"].map {
        CheckpointTensor(
          name: "transformer.transformer_blocks.0.attn1.to_q.lora_\($0).weight", type: .f32,
          shape: [8, 8])
      }, to: wrapped.file)
    let error = try #require(throws: SanaError.self) {
      try OfficialCheckpoint(path: wrapped.folder)
    }
    #expect(error.message == "is a LoRA, not a model" && error.remedy.contains("--lora"))
  }

  // MARK: - The output layer in the place of the embedding table

  /// As `safetensors.torch.save_model` writes a language model whose output layer is its embedding
  /// table.
  @Test func anEmbeddingTableThatOnlyHasItsOtherNameIsFound() throws {
    for alias in [true, false] {
      let wrapped = try renamed(
        "text_encoder", metadata: alias ? ["model.embed_tokens.weight": "lm_head.weight"] : [:]
      ) { $0 == "embed_tokens.weight" ? "lm_head.weight" : "model.\($0)" }
      for path in [wrapped.folder, wrapped.file] {
        #expect(try isSame(path, as: "text_encoder"))
        let notices = try OfficialCheckpoint(path: path).notices
        #expect(notices.contains { $0.contains("is read from 'lm_head.weight'") })
        #expect(!notices.contains { $0.contains("is not used") })
      }
    }
  }

  @Test func anOutputLayerOfItsOwnIsNoEmbeddingTable() throws {
    let wrapped = try renamed("text_encoder") {
      $0 == "embed_tokens.weight" ? "lm_head.weight" : "model.\($0)"
    }
    let path = wrapped.folder + "/config.json"
    var members = try #require(try JSONParser.parse(file: path).members)
    members.removeAll { $0.name == "tie_word_embeddings" }
    members.append(.init("tie_word_embeddings", false))
    try Data(JSONWriter.write(.object(members))).write(to: URL(filePath: path))
    let error = try #require(throws: SanaError.self) {
      try CheckpointConversion(OfficialCheckpoint(path: wrapped.folder))
    }
    #expect(error.message.hasSuffix("missing: 'embed_tokens.weight'"))
  }

  // MARK: - Names of something else

  @Test(arguments: folders)
  func oneMissingTensorIsNamedAlone(_ folder: String) throws {
    let gone = ["transformer": "caption_norm.weight", "vae": "decoder.conv_in.weight"]
    let name = gone[folder] ?? "embed_tokens.weight"
    for prefix in ["", "module."] {
      let wrapped = try renamed(folder) { prefix + $0 }
      try CheckpointEdits.write(
        tensors(of: folder).filter { $0.tensor.name != name }.renamed { prefix + $0 },
        to: wrapped.file)
      for path in [wrapped.folder, wrapped.file] {
        let error = try #require(throws: SanaError.self) {
          try CheckpointConversion(OfficialCheckpoint(path: path))
        }
        #expect(error.message.hasSuffix("missing: '\(name)'"), "\(error)")
      }
    }
  }

  @Test func foreignNamesAreShownByOneOfEachSide() throws {
    let wrapped = try renamed("transformer") { "x\($0.utf8.count).\($0.hashValue)" }
    let error = try #require(throws: SanaError.self) {
      try CheckpointConversion(OfficialCheckpoint(path: wrapped.folder))
    }
    #expect(error.message.contains("the names are not those of the transformer"))
    #expect(error.message.count < 300)
  }
}
