import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct OfficialCheckpointTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  /// A writable copy of a fixture that a test may damage.
  private func copy(_ name: String = "sana-tiny") throws -> String {
    try directory.copy(Checkpoints.url(name), to: name)
  }

  private func error(
    _ path: String, variant: String? = nil, components: Set<ComponentKind>? = nil
  ) throws -> SanaError {
    try #require(throws: SanaError.self) {
      let checkpoint = try OfficialCheckpoint(path: path, variant: variant, components: components)
      _ = try CheckpointConversion(checkpoint)
    }
  }

  private func replace(_ old: String, with new: String, in path: String) throws {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.contains(old))
    try text.replacingOccurrences(of: old, with: new)
      .write(toFile: path, atomically: true, encoding: .utf8)
  }

  @Test func opensAPipeline() throws {
    let checkpoint = try OfficialCheckpoint(path: Checkpoints.path("sana-tiny"))
    #expect(checkpoint.pipelineClass == "SanaPipeline")
    #expect(checkpoint.components.map(\.kind) == [.textEncoder, .transformer, .autoencoder])
    #expect(checkpoint.scheduler == .dpmSolver(flowShift: 3, trainingTimesteps: 1000))
    #expect(checkpoint.tokenizer.contains { $0.name == "tokenizer.model" })
    #expect(checkpoint.notices.isEmpty)
    #expect(checkpoint.components[0].weights.sourceFiles.count == 3)
  }

  @Test func opensOneComponentOrOneFile() throws {
    for path in ["transformer", "transformer/diffusion_pytorch_model.safetensors"] {
      let checkpoint = try OfficialCheckpoint(path: Checkpoints.path("sana-tiny") + "/" + path)
      #expect(checkpoint.components.map(\.kind) == [.transformer])
      #expect(checkpoint.pipelineClass == nil)
      #expect(checkpoint.scheduler == nil)
    }
  }

  @Test func aTextEncoderOnItsOwnFindsTheTokenizerBesideIt() throws {
    let checkpoint = try OfficialCheckpoint(path: Checkpoints.path("sana-tiny") + "/text_encoder")
    #expect(checkpoint.tokenizer.contains { $0.name == "tokenizer.model" })
  }

  @Test func prefersAVariantAndFallsBackWhereThereIsNone() throws {
    let path = try copy()
    try CheckpointEdits.rewrite(
      path + "/transformer/diffusion_pytorch_model.safetensors",
      as: path + "/transformer/diffusion_pytorch_model.fp16.safetensors"
    ) { $1.converted(to: .f16) }
    let checkpoint = try OfficialCheckpoint(path: path, variant: "fp16")
    #expect(checkpoint.components.map(\.variant) == [nil, "fp16", nil])
    #expect(checkpoint.components[1].weights.tensors.allSatisfy { $0.type == .f16 })
    #expect(checkpoint.notices.count == 2)
    #expect(try OfficialCheckpoint(path: path).components[1].variant == nil)
    #expect(try error(path, variant: "bf16").code == .invalidArgument)
    #expect(try error(path, variant: "../x").code == .invalidArgument)
    let file = path + "/vae/diffusion_pytorch_model.safetensors"
    #expect(try error(file, variant: "fp16").code == .invalidArgument)
  }

  @Test func opensOnlyWhatIsWanted() throws {
    let checkpoint = try OfficialCheckpoint(
      path: Checkpoints.path("sprint-tiny"), components: [.transformer])
    #expect(checkpoint.components.map(\.kind) == [.transformer])
    #expect(checkpoint.scheduler == .consistency(sigmaData: 0.5, trainingTimesteps: 1000))
    #expect(checkpoint.tokenizer.isEmpty)
    let transformer = Checkpoints.path("sana-tiny") + "/transformer"
    #expect(try error(transformer, components: [.autoencoder]).code == .invalidArgument)
  }

  @Test func namesAFolderThatIsMissing() throws {
    let error = try error(Checkpoints.path("sprint-tiny"))
    #expect(error.code == .fileAccess)
    #expect(error.message.contains("'text_encoder'"))
    #expect(error.remedy.contains("--components"))
  }

  @Test func refusesWhatIsNoCheckpoint() throws {
    #expect(try error(directory.url.path).message.contains("no checkpoint"))
    #expect(try error(directory.path("absent")).code == .fileAccess)
    #expect(try error("/dev/null").code == .invalidArgument)
    let text = try directory.write("hello", to: "hello.safetensors")
    #expect(try error(text).code == .malformedFile)
  }

  @Test(arguments: [
    ("SanaPipeline", "StableDiffusionPipeline"), ("SanaTransformer2DModel", "UNet2DConditionModel"),
    ("AutoencoderDC", "AutoencoderKL"), ("Gemma2Model", "T5EncoderModel"),
    ("SanaTransformer2DModel", "SanaControlNetModel"), ("SanaTransformer2DModel", "AutoencoderDC"),
  ])
  func refusesUnknownClasses(_ known: String, _ unknown: String) throws {
    let path = try copy()
    try replace("\"\(known)\"", with: "\"\(unknown)\"", in: path + "/model_index.json")
    let error = try error(path)
    #expect(error.code == .unsupported)
    #expect(error.message.contains(unknown))
  }

  @Test func makesATokenizerModelWhereThereIsNone() throws {
    let path = try copy()
    let given = try #require(OfficialCheckpoint(path: path).tokenizerModel)
    #expect(given.name == "tokenizer.model")
    try FileManager.default.removeItem(atPath: path + "/tokenizer/tokenizer.model")
    let checkpoint = try OfficialCheckpoint(path: path)
    #expect(checkpoint.notices.isEmpty)
    let made = try #require(checkpoint.tokenizerModel)
    #expect(made.name == "tokenizer.json.model")
    // Not one of the checkpoint's files.
    #expect(!checkpoint.tokenizer.contains(made))
    try FileManager.default.removeItem(atPath: path + "/tokenizer/tokenizer.json")
    let notices = try OfficialCheckpoint(path: path).notices
    #expect(notices.count == 1)
    #expect(notices.first?.contains("no tokenizer.json and no tokenizer.model") == true)
  }

  @Test func tokenizersThatContradictEachOtherAreTold() throws {
    let path = try copy()
    let json = path + "/tokenizer/tokenizer.json"
    try replace("\"<2mass>\"", with: "\"<3mass>\"", in: json)
    let checkpoint = try OfficialCheckpoint(path: path)
    #expect(checkpoint.tokenizerModel?.name == "tokenizer.json.model")
    #expect(
      checkpoint.notices == [
        "tokenizer.json is used, and tokenizer.model is not: token 5 is '<3mass>', and in tokenizer.model '<2mass>'"
      ])
    // One that cannot be expressed does not hinder where the model is there, and does where it is
    // not.
    try replace("\"byte_fallback\": true", with: "\"byte_fallback\": false", in: json)
    let other = try OfficialCheckpoint(path: path)
    #expect(other.tokenizerModel?.name == "tokenizer.model")
    #expect(other.notices.count == 1)
    #expect(other.notices.first?.hasPrefix("tokenizer.model is used") == true)
    try FileManager.default.removeItem(atPath: path + "/tokenizer/tokenizer.model")
    let error = try error(path)
    #expect(error.code == .unsupported)
    #expect(error.location?.hasSuffix("tokenizer/tokenizer.json") == true)
    // As the error advises.
    #expect(throws: Never.self) {
      try OfficialCheckpoint(path: path, components: [.transformer, .autoencoder])
    }
  }

  @Test func findsLicencesAndReadme() throws {
    let path = try copy()
    try Data("terms".utf8).write(to: URL(filePath: path + "/LICENSE.txt"))
    try Data("read me".utf8).write(to: URL(filePath: path + "/README.md"))
    let checkpoint = try OfficialCheckpoint(path: path)
    #expect(
      checkpoint.licences == [OfficialDocument(name: "LICENSE.txt", contents: Array("terms".utf8))])
    #expect(checkpoint.hasReadme)
  }

  @Test func namesAMissingShard() throws {
    let path = try copy()
    try FileManager.default.removeItem(
      atPath: path + "/text_encoder/model-00002-of-00003.safetensors")
    #expect(try error(path).message.contains("model-00002-of-00003.safetensors"))
  }

  @Test func namesWeightsThatHaveAnotherName() throws {
    let path = try copy()
    let folder = path + "/vae/"
    try FileManager.default.moveItem(
      atPath: folder + "diffusion_pytorch_model.safetensors", toPath: folder + "ae.safetensors")
    let error = try error(path)
    #expect(error.message.contains("only 'ae.safetensors'"))
    #expect(error.remedy.hasPrefix("rename it diffusion_pytorch_model.safetensors"))
    #expect(try OfficialCheckpoint(path: folder + "ae.safetensors").components.count == 1)
    try FileManager.default.removeItem(atPath: folder + "ae.safetensors")
    #expect(try self.error(path).message == "holds no weights")
  }

  @Test func aFileWithoutConfigurationMustBeThatOfARelease() throws {
    let file = Checkpoints.url("sana-tiny").appending(
      path: "transformer/diffusion_pytorch_model.safetensors")
    let path = try directory.copy(file, to: "lonely.safetensors")
    let error = try error(path)
    #expect(error.code == .invalidConfiguration)
    #expect(error.message.contains("config.json"))
  }

  @Test func namesTensorsThatDoNotFitTheConfiguration() throws {
    let path = try copy()
    let configuration = path + "/transformer/config.json"
    try replace("\"num_layers\": 3", with: "\"num_layers\": 4", in: configuration)
    var error = try error(path)
    #expect(error.code == .tensorMismatch)
    #expect(error.message.contains("'num_layers' means 4 modules"))

    try replace("\"num_layers\": 4", with: "\"num_layers\": 3", in: configuration)
    try replace("\"in_channels\": 32", with: "\"in_channels\": 16", in: configuration)
    error = try self.error(path)
    #expect(error.message.contains("'in_channels' is 16, the file has 32"))
  }

  @Test func takesATextEncoderSavedAsPartOfALanguageModel() throws {
    let source = Checkpoints.path("sana-tiny") + "/text_encoder"
    let weights = try WeightFiles.open(file: source + "/model.safetensors.index.json")
    let head = CheckpointTensor(name: "lm_head.weight", type: .bf16, shape: [2, 2])
    let renamed = weights.tensors.map {
      CheckpointTensor(name: "model." + $0.name, type: $0.type, shape: $0.shape)
    }
    let writer = try SafetensorsWriter(
      path: directory.path("model.safetensors"), tensors: renamed + [head])
    for tensor in weights.tensors {
      let elements = try #require(try weights.elements(of: tensor.name))
      try writer.write(elements.bytes.bytes, as: "model." + tensor.name)
    }
    try [UInt8](repeating: 0, count: 8).withUnsafeBytes { try writer.write($0, as: head.name) }
    try writer.finish()
    let configuration = try String(contentsOfFile: source + "/config.json", encoding: .utf8)
    try directory.write(
      configuration.replacingOccurrences(of: "Gemma2Model", with: "Gemma2ForCausalLM"),
      to: "config.json")
    let checkpoint = try OfficialCheckpoint(path: directory.url.path)
    let conversion = try CheckpointConversion(checkpoint)
    #expect(conversion.notices.contains { $0.contains("'lm_head.weight' is not used") })
    let fused = try FusedCheckpointSource(checkpoint.components[0])
    let plain = try FusedCheckpointSource(OfficialCheckpoint(path: source).components[0])
    for rule in fused.layout.rules {
      #expect(try fused.load(rule.name).values.array == plain.load(rule.name).values.array)
    }
  }
}
