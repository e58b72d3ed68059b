import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// Checkpoints as they are found on people's disks: files that libraries of other years wrote, and
/// folders that were copied in part.
@Suite struct CheckpointVarietyTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private static let clean = Checkpoints.path("sana-tiny")

  private func copy() throws -> String {
    try directory.copy(Checkpoints.url("sana-tiny"), to: UUID().uuidString)
  }

  private func write(_ text: String, to path: String) throws {
    try Data(text.utf8).write(to: URL(filePath: path))
  }

  private func remove(_ path: String) throws {
    try FileManager.default.removeItem(atPath: path)
  }

  /// Whether a checkpoint converts to the same model as another.
  private func isSame(
    _ path: String, as other: String = clean, variant: String? = nil, otherVariant: String? = nil
  ) throws -> Bool {
    let model = directory.path("\(UUID().uuidString).sana")
    try CheckpointConversion(OfficialCheckpoint(path: path, variant: variant)).write(to: model)
    return try ModelComparison(
      ComparedModel(path: model), ComparedModel(path: other, variant: otherVariant)
    ).isSame
  }

  private func error(_ path: String, variant: String? = nil) throws -> SanaError {
    try #require(throws: SanaError.self) {
      try CheckpointConversion(OfficialCheckpoint(path: path, variant: variant))
    }
  }

  /// Divides a component's plain weights into two files.
  /// - Parameters:
  ///   - names: of the files.
  ///   - index: the index's name; `nil` for none.
  private func divide(
    _ folder: String, into names: [String], index: String?, path: (String) -> String = { $0 }
  ) throws {
    let file = folder + "/diffusion_pytorch_model.safetensors"
    let tensors = try CheckpointEdits.tensors(file)
    try remove(file)
    let half = tensors.count / 2
    var map: [MetadataValue.Member] = []
    for (name, part) in zip(names, [tensors.prefix(half), tensors.suffix(from: half)]) {
      try CheckpointEdits.write(Array(part), to: "\(folder)/\(name)")
      map += part.map { .init($0.tensor.name, .string(path(name))) }
    }
    if let index {
      try Data(JSONWriter.write(["metadata": ["total_size": 1], "weight_map": .object(map)]))
        .write(to: URL(filePath: "\(folder)/\(index)"))
    }
  }

  // MARK: - Variants

  @Test(arguments: [
    (
      "diffusion_pytorch_model.safetensors.fp16.index.json",
      ["1", "2"].map { "diffusion_pytorch_model-0000\($0)-of-00002.fp16.safetensors" }
    ),
    (
      "diffusion_pytorch_model.safetensors.index.fp16.json",
      ["1", "2"].map { "diffusion_pytorch_model.fp16-0000\($0)-of-00002.safetensors" }
    ),
  ])
  func bothGenerationsOfVariantNamesAreKnown(_ index: String, _ names: [String]) throws {
    let (single, divided) = (try copy(), try copy())
    for path in [single, divided] {
      let file = path + "/transformer/diffusion_pytorch_model.safetensors"
      try CheckpointEdits.rewrite(
        file, as: path + "/transformer/diffusion_pytorch_model.fp16.safetensors"
      ) { $1.converted(to: .f16) }
    }
    let folder = divided + "/transformer"
    let plain = try Data(
      contentsOf: URL(filePath: folder + "/diffusion_pytorch_model.safetensors"))
    try remove(folder + "/diffusion_pytorch_model.safetensors")
    try FileManager.default.moveItem(
      atPath: folder + "/diffusion_pytorch_model.fp16.safetensors",
      toPath: folder + "/diffusion_pytorch_model.safetensors")
    try divide(folder, into: names, index: index)
    // The plain weights are gone.
    #expect(try error(divided).remedy == "pass --variant fp16")
    #expect(try isSame(divided, as: single, variant: "fp16", otherVariant: "fp16"))
    try plain.write(to: URL(filePath: folder + "/diffusion_pytorch_model.safetensors"))
    #expect(try isSame(divided))
    #expect(try isSame(divided, as: single, variant: "fp16", otherVariant: "fp16"))
    let part = try #require(
      try CheckpointInventory(path: divided).parts.first { $0.name == "transformer" })
    #expect(part.fileSets.map(\.variant) == [nil, "fp16"])
    #expect(part.fileSets.last?.fileNames == names)

    try remove("\(folder)/\(names[1])")
    let error = try error(divided, variant: "fp16")
    #expect(error.code == .fileAccess && error.message.contains("'\(names[1])'"))
  }

  // MARK: - Indexes

  @Test func aNewFileGoesBeforeTheIndexOfAnOldTextEncoder() throws {
    let (path, clean) = (try copy(), try copy())
    var tensors = try CheckpointEdits.tensors(path + "/text_encoder/model.safetensors.index.json")
    let changed = try #require(tensors.firstIndex { $0.tensor.name == "norm.weight" })
    tensors[changed].bytes[0] ^= 1
    for folder in [path, clean] {
      try CheckpointEdits.write(tensors, to: folder + "/text_encoder/model.safetensors")
    }
    for number in 1...3 {
      try remove(clean + "/text_encoder/model-0000\(number)-of-00003.safetensors")
    }
    try remove(clean + "/text_encoder/model.safetensors.index.json")
    // Two complete sets.
    #expect(try isSame(path, as: clean))
    #expect(
      try OfficialCheckpoint(path: path).notices == [
        "text-encoder: model.safetensors is taken, as transformers does, not model.safetensors.index.json, which is there too"
      ])
    // The old index, whose files are gone.
    for number in 1...3 {
      try remove(path + "/text_encoder/model-0000\(number)-of-00003.safetensors")
    }
    #expect(try isSame(path, as: clean))
    #expect(try !isSame(path))
    #expect(
      try OfficialCheckpoint(path: path).notices == [
        "text-encoder: model.safetensors.index.json names 'model-00001-of-00003.safetensors', which is missing, so model.safetensors is taken"
      ])
    try remove(path + "/text_encoder/model.safetensors")
    let error = try error(path)
    #expect(error.message == "names the file 'model-00001-of-00003.safetensors', which is missing")
    #expect(error.location?.hasSuffix("model.safetensors.index.json") == true)
  }

  @Test func aTensorThatTheIndexOmitsIsRead() throws {
    let path = try copy()
    let file = path + "/text_encoder/model-00003-of-00003.safetensors"
    var tensors = try CheckpointEdits.tensors(ofFile: file)
    tensors.append(
      (CheckpointTensor(name: "lm_head.weight", type: .bf16, shape: [2]), [0, 0, 0, 0]))
    try CheckpointEdits.write(tensors, to: file)
    #expect(try isSame(path))
    let index = path + "/text_encoder/model.safetensors.index.json"
    var members = try #require(try JSONParser.parse(file: index)["weight_map"]?.members)
    members.removeAll { $0.name == "norm.weight" }
    try Data(JSONWriter.write(["weight_map": .object(members)])).write(to: URL(filePath: index))
    #expect(try isSame(path))
  }

  @Test func pathsInsideTheFolderAreFollowed() throws {
    let path = try copy()
    let names = ["1", "2"].map { "diffusion_pytorch_model-0000\($0)-of-00002.safetensors" }
    try divide(
      path + "/transformer", into: names, index: "diffusion_pytorch_model.safetensors.index.json"
    ) { "./\($0)" }
    #expect(try isSame(path))
  }

  @Test func partsWithoutAnIndexAreOneSet() throws {
    let path = try copy()
    let names = ["1", "2"].map { "diffusion_pytorch_model-0000\($0)-of-00002.safetensors" }
    try divide(path + "/transformer", into: names, index: nil)
    #expect(try isSame(path))
    #expect(
      try OfficialCheckpoint(path: path).notices.contains {
        $0.contains("which diffusers itself does not look for")
      })
    try remove(path + "/transformer/\(names[0])")
    let error = try error(path)
    #expect(error.message == "is one of 2 parts, of which '\(names[0])' is missing")
  }

  @Test func aPartStandsForItsSet() throws {
    let folder = Self.clean + "/text_encoder"
    let whole = try ComparedModel(path: folder)
    for name in ["model-00002-of-00003.safetensors", "model.safetensors.index.json"] {
      let comparison = try ModelComparison(ComparedModel(path: "\(folder)/\(name)"), whole)
      #expect(comparison.isSame)
    }
  }

  @Test func theFileThatTheConfigurationNamesGoesFirst() throws {
    let path = try copy()
    let folder = path + "/text_encoder"
    let tensors = try CheckpointEdits.tensors(folder + "/model.safetensors.index.json")
    try CheckpointEdits.write(tensors, to: folder + "/mine.safetensors")
    for name in try FileManager.default.contentsOfDirectory(atPath: folder)
    where name.hasPrefix("model") {
      try remove("\(folder)/\(name)")
    }
    try write("x", to: folder + "/model.safetensors")
    var members = try #require(try JSONParser.parse(file: folder + "/config.json").members)
    members.append(.init("transformers_weights", "mine.safetensors"))
    try Data(JSONWriter.write(.object(members))).write(to: URL(filePath: folder + "/config.json"))
    let comparison = try ModelComparison(
      ComparedModel(path: path, components: [.textEncoder]),
      ComparedModel(path: Self.clean, components: [.textEncoder]))
    #expect(comparison.tensors.allSatisfy { $0.isSame })
  }

  // MARK: - Torch files

  @Test func torchFilesAreTakenWhereNothingElseIs() throws {
    let path = try copy()
    let vae = path + "/vae/diffusion_pytorch_model"
    try CheckpointEdits.write(
      CheckpointEdits.tensors(vae + ".safetensors"), to: vae + ".bin")
    try remove(vae + ".safetensors")
    try divide(
      path + "/transformer",
      into: ["1", "2"].map { "diffusion_pytorch_model-0000\($0)-of-00002.bin" },
      index: "diffusion_pytorch_model.bin.index.json")
    let encoder = path + "/text_encoder"
    let tensors = try CheckpointEdits.tensors(encoder + "/model.safetensors.index.json")
    for name in try FileManager.default.contentsOfDirectory(atPath: encoder)
    where name.hasPrefix("model") {
      try remove("\(encoder)/\(name)")
    }
    try CheckpointEdits.write(
      tensors.renamed { "model.\($0)" } + [
        (CheckpointTensor(name: "lm_head.weight", type: .bf16, shape: [2]), [0, 0, 0, 0])
      ], to: encoder + "/pytorch_model.bin")
    #expect(try isSame(path))
    let parts = try CheckpointInventory(path: path).parts
    #expect(parts.allSatisfy { $0.fileSets.first?.format == .torch && $0.remark == nil })
  }

  // MARK: - Documents

  @Test func nullIsTheSameAsNothing() throws {
    let path = try copy()
    let configuration = path + "/text_encoder/config.json"
    for architectures: MetadataValue in [.null, []] {
      let members = try #require(try JSONParser.parse(file: configuration).members)
        .filter { $0.name != "architectures" }
      try Data(JSONWriter.write(.object(members + [.init("architectures", architectures)])))
        .write(to: URL(filePath: configuration))
      let comparison = try ModelComparison(
        ComparedModel(path: path), ComparedModel(path: Self.clean))
      #expect(comparison.tensors.allSatisfy { $0.isSame })
      #expect(try OfficialCheckpoint(path: path + "/text_encoder").components.count == 1)
    }
    // A transformer's configuration without its class.
    let transformer = path + "/transformer/config.json"
    let members = try #require(try JSONParser.parse(file: transformer).members)
    try Data(JSONWriter.write(.object(members.filter { $0.name != "_class_name" })))
      .write(to: URL(filePath: transformer))
    for path in [path, path + "/transformer"] {
      #expect(
        try OfficialCheckpoint(path: path).components.contains { $0.kind == .transformer })
    }
  }

  @Test func metadataMayBeNull() throws {
    let header = #"{"__metadata__":null,"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#
    let path = try directory.write(
      withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
        + Array(header.utf8) + [7], to: "null.safetensors")
    #expect(try SafetensorsFile(path: path).tensors.map(\.name) == ["a"])
  }

  // MARK: - Links that lead nowhere

  /// Replaces files by links, as a snapshot of the Hugging Face cache has them when it is copied
  /// without its blobs.
  private func link(_ path: String) throws {
    try remove(path)
    try FileManager.default.createSymbolicLink(
      atPath: path, withDestinationPath: "../../blobs/abc")
  }

  @Test(arguments: [
    "model_index.json", "transformer/config.json", "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/model-00002-of-00003.safetensors", "tokenizer/tokenizer.model",
    "scheduler/scheduler_config.json", "transformer",
  ])
  func aLinkWithoutATargetIsCalledThat(_ name: String) throws {
    let path = try copy()
    try link("\(path)/\(name)")
    let error = try error(path)
    #expect(error.code == .fileAccess)
    #expect(error.location == "\(path)/\(name)")
    #expect(error.message.contains("is a link that leads nowhere (to '../../blobs/abc')"))
    #expect(error.remedy.contains("cp -rL"))
  }

  @Test func aSnapshotOfLinksIsCalledThat() throws {
    let path = try copy()
    let enumerator = try #require(FileManager.default.enumerator(atPath: path))
    for case let name as String in enumerator.allObjects
    where FileManager.default.contents(atPath: "\(path)/\(name)") != nil {
      try link("\(path)/\(name)")
    }
    #expect(try error(path).message.contains("is a link that leads nowhere"))
    let error = try #require(throws: SanaError.self) { try CheckpointInventory(path: path) }
    #expect(error.message.contains("is a link that leads nowhere"))
    try FileManager.default.createSymbolicLink(
      atPath: directory.path("pipeline"), withDestinationPath: "gone")
    #expect(try self.error(directory.path("pipeline")).message.contains("(to 'gone')"))
  }

  @Test func aLinkWithoutATargetLeavesTheOtherSet() throws {
    let path = try copy()
    try link(path + "/text_encoder/model.safetensors.index.json")
    try FileManager.default.createSymbolicLink(
      atPath: path + "/text_encoder/model.safetensors", withDestinationPath: "../../blobs/abc")
    #expect(try isSame(path))
    let notices = try OfficialCheckpoint(path: path).notices
    for name in ["model.safetensors", "model.safetensors.index.json"] {
      #expect(notices.contains { $0.contains("'\(name)' is a link that leads nowhere") })
    }
  }
}
