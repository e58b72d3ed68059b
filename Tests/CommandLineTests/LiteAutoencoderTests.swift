import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// DC-AE-Lite from its checkpoint to a picture and back.
@Suite struct LiteAutoencoderTests {
  private let directory: TestDirectory
  private let convert: Tool
  private let lite = Checkpoints.path("lite-tiny") + "/vae"

  init() throws {
    directory = try TestDirectory()
    convert = try Tool("sana-convert")
  }

  private func run(_ tool: Tool, _ arguments: String...) throws -> String {
    let outcome = try tool.run(arguments)
    try #require(outcome.status == 0, "\(arguments): \(outcome.error)")
    return outcome.output
  }

  @Test func itComesBackBitForBit() throws {
    let (model, folder) = (directory.path("lite.sana"), directory.path("out"))
    _ = try run(convert, lite, "-o", model)
    _ = try run(convert, "export", model, "-o", folder)
    #expect(try run(convert, "diff", lite, folder).contains("the models are the same"))
    let files = try [lite, folder].map {
      try SafetensorsFile(path: $0 + "/diffusion_pytorch_model.safetensors")
    }
    #expect(Set(files[0].tensors) == Set(files[1].tensors))
    for tensor in files[0].tensors {
      let bytes = files.map { file in file.bytes(of: tensor.name).map { Array($0.bytes) } }
      #expect(bytes[0] != nil && bytes[0] == bytes[1], "\(tensor.name)")
    }
    for path in [lite, model] {
      #expect(
        try run(convert, "inspect", path).contains(
          "widths 8/8/16/16/32 and an upsampling to the picture"))
    }
  }

  /// The tiny pipeline with the lighter decoder in it.
  private func makeModel() throws -> String {
    let model = directory.path("model.sana")
    _ = try run(convert, Checkpoints.path("sana-tiny"), "--autoencoder", lite, "-o", model)
    return model
  }

  @Test(arguments: ["f16", "bf16", "w8a16", "w8a8", "w4a16"])
  func everyRecipeDraws(_ recipe: String) throws {
    let (reduced, picture) = (directory.path("reduced.sana"), directory.path("fox.png"))
    _ = try run(Tool("sana-quant"), try makeModel(), "--recipe", recipe, "-o", reduced)
    let size = ["--width", "96", "--height", "64", "--no-binning"]
    let draw = try Tool("sana-run")
    for command in [
      ["plan", reduced], [reduced, "--prompt", "a fox", "--steps", "2", "-o", picture],
    ] {
      let outcome = try draw.run(command + size)
      #expect(outcome.status == 0, "\(outcome.error)")
    }
    let bytes = try Data(contentsOf: URL(filePath: picture))
    #expect(bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]))
  }

  @Test func anotherAutoencoderTakesThePlaceOfItsOwn() throws {
    let model = try ModelFile(path: try makeModel())
    #expect(model.pipelineClass == "SanaPipeline")
    let own = try OfficialCheckpoint(path: Checkpoints.path("sana-tiny"))
    let other = try OfficialCheckpoint(path: lite)
    #expect(
      try model.configuration(of: .autoencoder) == #require(other.components.first).configuration)
    #expect(model.components.map(\.kind) == [.textEncoder, .transformer, .autoencoder])
    #expect(try model.configuration(of: .transformer) == own.components[1].configuration)
    for (kind, checkpoint) in [("text-encoder,transformer", own.path), ("autoencoder", lite)] {
      let text = try run(convert, "diff", model.path, checkpoint, "--components", kind)
      #expect(text.contains("the models are the same"))
    }
    let files = try #require(model.metadata["provenance"]?["files"]?.arrayValue)
    let folders = files.compactMap { $0["folder"]?.stringValue }
    #expect(
      Set(folders) == ["sana-tiny/text_encoder", "sana-tiny/transformer", "lite-tiny/vae"])
    #expect(try run(convert, "inspect", model.path).contains("lite-tiny/vae/diffusion_pytorch"))
  }

  /// A pipeline's folder, an autoencoder's, its file.
  @Test func everyFormIsTaken() throws {
    let first = try makeModel()
    for form in [Checkpoints.path("lite-tiny"), lite + "/diffusion_pytorch_model.safetensors"] {
      let model = directory.path("other.sana")
      _ = try run(convert, Checkpoints.path("sana-tiny"), "--autoencoder", form, "-o", model)
      #expect(try run(convert, "diff", first, model).contains("the models are the same"))
    }
  }

  @Test func aCheckpointMayHaveNoneOfItsOwn() throws {
    let first = try makeModel()
    let pipeline = try directory.copy(Checkpoints.url("sana-tiny"), to: "pipeline")
    try FileManager.default.removeItem(atPath: pipeline + "/vae")
    let model = directory.path("other.sana")
    // Listed without its folder, not listed, listed as left out.
    let index = try JSONParser.parse(file: pipeline + "/model_index.json")
    let others = (index.members ?? []).filter { $0.name != "vae" }
    for members in [index.members ?? [], others, others + [.init("vae", [nil, nil])]] {
      try directory.write(JSONWriter.write(.object(members)), to: "pipeline/model_index.json")
      _ = try run(convert, pipeline, "--autoencoder", lite, "-o", model)
      #expect(try run(convert, "diff", first, model).contains("the models are the same"))
    }
    _ = try run(convert, pipeline + "/transformer", "--autoencoder", lite, "-o", model)
    #expect(try ModelFile(path: model).components.map(\.kind) == [.transformer, .autoencoder])
  }

  private func failure(_ arguments: String...) throws -> String {
    let output = directory.path("failed.sana")
    let outcome = try convert.run(arguments + ["-o", output])
    #expect(outcome.status == 1)
    #expect(outcome.error.hasPrefix("error: ") && outcome.error.count { $0 == "\n" } == 1)
    #expect(!FileManager.default.fileExists(atPath: output))
    return outcome.error
  }

  /// An error names both sides.
  @Test(
    arguments: [
      ("latent_channels", 16, "16 channels"), ("scaling_factor", 0.5, "scaling factor 0.5"),
    ] as [(String, MetadataValue, String)])
  func otherLatentsAreRefused(_ key: String, _ value: MetadataValue, _ words: String) throws {
    let folder = try directory.copy(Checkpoints.url("lite-tiny"), to: "other") + "/vae"
    var members = try #require(try JSONParser.parse(file: folder + "/config.json").members)
    members = members.filter { $0.name != key } + [.init(key, value)]
    let document = MetadataValue.object(members)
    try directory.write(JSONWriter.write(document), to: "other/vae/config.json")
    let layout = OfficialLayout(
      try ComponentConfiguration(.autoencoder, official: document, location: "config.json"))
    try SparseWeights.write(
      layout.officialTensors.map {
        CheckpointTensor(name: $0.name, type: .bf16, shape: $0.shape)
      }, to: folder + "/diffusion_pytorch_model.safetensors")
    let pipeline = Checkpoints.path("sana-tiny")
    let error = try failure(pipeline, "--autoencoder", folder)
    #expect(error.contains(words) && error.contains(folder) && error.contains(pipeline), "\(error)")
  }

  @Test func whatIsNoAutoencoderIsRefused() throws {
    let tiny = Checkpoints.path("sana-tiny")
    #expect(
      try failure(tiny, "--autoencoder", tiny + "/transformer").contains("not an autoencoder"))
    #expect(
      try failure(tiny, "--autoencoder", directory.path("absent")).contains("does not exist"))
    #expect(
      try failure(tiny + "/vae", "--autoencoder", lite).contains("nothing but an autoencoder"))
    #expect(
      try failure(
        Checkpoints.path("lite-tiny"), "--components", "autoencoder", "--autoencoder", lite
      )
      .contains("nothing but an autoencoder"))
    #expect(
      try failure(tiny, "--components", "transformer", "--autoencoder", lite)
        .contains("--components leaves the autoencoder out"))
  }

  @Test func anOutputThatIsAPartOfItIsRefused() throws {
    let folder = try directory.copy(Checkpoints.url("lite-tiny"), to: "other") + "/vae"
    let file = folder + "/diffusion_pytorch_model.safetensors"
    let before = try Data(contentsOf: URL(filePath: file))
    for form in [directory.path("other"), folder, file] {
      let outcome = try convert.run(
        Checkpoints.path("sana-tiny"), "--autoencoder", form, "-o", file)
      #expect(outcome.status == 1)
      #expect(try Data(contentsOf: URL(filePath: file)) == before)
    }
  }

  @Test func itsLicenceTravelsBesideTheOthers() throws {
    let pipeline = try directory.copy(Checkpoints.url("sana-tiny"), to: "pipeline")
    let other = try directory.copy(Checkpoints.url("lite-tiny"), to: "other")
    try directory.write("ours\n", to: "pipeline/LICENSE")
    try directory.write("theirs\n", to: "other/LICENSE")
    let model = directory.path("model.sana")
    _ = try run(convert, pipeline, "--autoencoder", other, "-o", model)
    let licences = try run(convert, "inspect", model, "--licences")
    #expect(licences.contains("ours\n") && licences.contains("--- autoencoder-LICENSE\ntheirs\n"))
  }
}
