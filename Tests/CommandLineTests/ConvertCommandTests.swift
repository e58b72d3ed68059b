import CommandLineSupport
import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct ConvertCommandTests {
  private let directory: TestDirectory
  private let tool: Tool
  private let tiny = Checkpoints.path("sana-tiny")

  init() throws {
    directory = try TestDirectory()
    tool = try Tool("sana-convert")
  }

  private var output: String { directory.path("model.sana") }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory.url.path).sorted()
  }

  /// The command fails with one line on standard error and leaves nothing behind.
  @discardableResult
  private func expectFailure(
    _ arguments: String..., status: Int32 = 1, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let before = try names()
    let outcome = try tool.run(arguments)
    #expect(outcome.status == status, sourceLocation: sourceLocation)
    #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
    if status == 1 {
      #expect(outcome.error.hasPrefix("error: "), sourceLocation: sourceLocation)
      #expect(outcome.error.contains("; "), sourceLocation: sourceLocation)
      #expect(outcome.error.count { $0 == "\n" } == 1, sourceLocation: sourceLocation)
    }
    #expect(try names() == before, sourceLocation: sourceLocation)
    return outcome.error
  }

  @Test func convertsChecksInspectsAndExports() throws {
    var outcome = try tool.run(tiny, "-o", output)
    #expect(outcome.status == 0)
    #expect(outcome.error.isEmpty)
    #expect(outcome.output.contains("276 tensors of text-encoder, transformer, autoencoder"))
    outcome = try tool.run("check", output)
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("intact"))
    outcome = try tool.run("inspect", output, "--tensors")
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("DPM-Solver++, flow shift 3.0"))
    #expect(outcome.output.contains("transformer/transformer_blocks.0.attn1.to_qkv.weight"))
    outcome = try tool.run("export", output, "-o", directory.path("out"))
    #expect(outcome.status == 0)
    #expect(outcome.error.isEmpty)
    #expect(try OfficialCheckpoint(path: directory.path("out")).components.count == 3)
    #expect(try names() == ["model.sana", "out"])
  }

  @Test func inspectNamesConfigurationsSourcesAndLicences() throws {
    let checkpoint = try directory.copy(Checkpoints.url("sana-tiny"), to: "checkpoint")
    try directory.write("\n  Terms of Use\nBe kind.\n", to: "checkpoint/LICENSE.txt")
    #expect(try tool.run(checkpoint, "-o", output).status == 0)
    let text = try tool.run("inspect", output).output
    for part in [
      "SanaPipeline", "Gemma 2, ", "Sana transformer, 3 layers of width", "DC-AE f",
      "sana-convert \(Toolchain.version), precision keep",
      "LICENSE.txt: Terms of Use (--licences shows all)", "model-00002-of-00003.safetensors",
    ] {
      #expect(text.contains(part), "\(part)")
    }
    let weights = "transformer/diffusion_pytorch_model.safetensors"
    var hash = SHA256()
    let contents = [UInt8](
      try Data(contentsOf: Checkpoints.url("sana-tiny").appending(path: weights)))
    contents.withUnsafeBytes { hash.update($0) }
    #expect(text.contains(hash.finish()))
    #expect(!text.contains("Be kind."))
    #expect(try tool.run("inspect", output, "--licences").output.contains("Be kind.\n"))
  }

  @Test func inspectPrintsOneJSONObject() throws {
    #expect(
      try tool.run("convert", tiny, "--output", output, "--components", "transformer").status == 0)
    let outcome = try tool.run("inspect", output, "--json", "--tensors")
    let object = try Array(outcome.output.utf8).withUnsafeBytes {
      try JSONParser.parse($0, location: "output")
    }
    let component = try #require(object["components"]?.arrayValue?.first)
    #expect(component["name"] == "transformer")
    #expect(component["encodings"] == ["f32": 61])
    #expect(component["tensors"]?.arrayValue?.count == 61)
    #expect(object["metadata"]?["provenance"]?["tool"] == "sana-convert")
    #expect(object["metadata"]?["provenance"]?["precision"] == "keep")
  }

  @Test func inspectShowsACheckpointToo() throws {
    let text = try tool.run("inspect", tiny).output
    for part in [
      "official checkpoint, SanaPipeline", "DPM-Solver++, flow shift 3.0",
      "Sana transformer, 3 layers of width 128", "SanaTransformer2DModel", "bf16", "safetensors",
    ] {
      #expect(text.contains(part), "\(part)")
    }
    let outcome = try tool.run("inspect", tiny + "/vae", "--json")
    #expect(outcome.status == 0)
    let object = try Array(outcome.output.utf8).withUnsafeBytes {
      try JSONParser.parse($0, location: "output")
    }
    #expect(object["form"] == "checkpoint")
    let part = try #require(object["parts"]?.arrayValue?.first)
    #expect(part["component"] == "autoencoder" && part["remark"] == .null)
    let files = try #require(part["file_sets"]?.arrayValue?.first)
    #expect(files["variant"] == .null && files["original_names"] == false)
    #expect(files["types"]?.members?.first?.name == "f32")
    try expectFailure("inspect", tiny, "--tensors")
  }

  @Test func theChoiceAmongFilesIsToldByConvertAndInspect() throws {
    let folder = try directory.copy(Checkpoints.url("sana-tiny").appending(path: "vae"), to: "vae")
    let file = "diffusion_pytorch_model.safetensors"
    try directory.write(
      #"{"weight_map": {"x": "./diffusion_pytorch_model-00001-of-00002.safetensors"}}"#,
      to: "vae/\(file).index.json")
    let note =
      "note: autoencoder: \(file).index.json names 'diffusion_pytorch_model-00001-of-00002.safetensors', "
      + "which is missing, so \(file) is taken\n"
    let outcome = try tool.run(folder, "-o", output)
    #expect(outcome.status == 0 && outcome.error.contains(note))
    let text = try tool.run("inspect", folder).output
    #expect(text.contains(note) && text.count { $0 == "\n" } < 12)
    try FileManager.default.removeItem(atPath: "\(folder)/\(file)")
    let error = try expectFailure(folder, "-o", directory.path("other.sana"))
    #expect(error.contains("00001-of-00002.safetensors', which is missing; download"))
    #expect(try tool.run("inspect", folder).output.contains("which is missing; download"))
  }

  @Test func replacesAnOlderFile() throws {
    try directory.write("old", to: "model.sana")
    #expect(try tool.run(tiny, "-o", output, "--precision", "f16").status == 0)
    #expect(throws: Never.self) { try ModelFile(path: output) }
  }

  @Test func failsOnWhatIsNoCheckpoint() throws {
    try expectFailure(directory.path("absent"), "-o", output)
    try expectFailure(directory.url.path, "-o", output)
    let file = try directory.write("not a tensor in sight", to: "file.safetensors")
    try expectFailure(file, "-o", output)
    try expectFailure(tiny, "-o", output, "--variant", "fp8")
    try expectFailure(tiny + "/vae", "-o", output, "--components", "transformer")
  }

  @Test func failsOnAnUnknownClass() throws {
    try directory.write(#"{"_class_name": "FluxPipeline"}"#, to: "flux/model_index.json")
    #expect(try expectFailure(directory.path("flux"), "-o", output).contains("FluxPipeline"))
    try directory.write(#"{"_class_name": "UNet2DConditionModel"}"#, to: "unet/config.json")
    #expect(
      try expectFailure(directory.path("unet"), "-o", output).contains("UNet2DConditionModel"))
  }

  @Test func failsWhereNothingCanBeWritten() throws {
    try expectFailure(tiny, "-o", directory.path("absent/model.sana"))
    try expectFailure(tiny, "-o", directory.url.path)
    try expectFailure(tiny, "-o", "/proc/model.sana")
    #expect(try tool.run(tiny, "-o", output).status == 0)
    try expectFailure("export", output, "-o", directory.path("absent/out"))
    try expectFailure("export", output, "-o", output)
  }

  @Test func aFullDiskIsOneErrorAndLeavesNothing() throws {
    // A limit on the size of files stands for the disk: the write fails in the same place.
    let outcome = try Tool.shell(
      "ulimit -f 64; exec '\(tool.path)' '\(tiny)' -o '\(output)'")
    #expect(outcome.status == 1)
    #expect(outcome.error.hasPrefix("error: \(output): cannot be written"))
    #expect(outcome.error.contains("ulimit -f"))
    #expect(outcome.error.count { $0 == "\n" } == 1)
    #expect(try names().isEmpty)
  }

  @Test(arguments: [
    ["--precision", "f8"], ["--precision", ""], ["--components", "vae"], ["--components", ""],
    ["--components", "transformer,"], ["--frobnicate"], ["extra"],
  ])
  func refusesAbsurdFlags(_ flags: [String]) throws {
    let outcome = try tool.run([tiny, "-o", output] + flags)
    #expect(outcome.status == 64)
    #expect(outcome.output.isEmpty)
    #expect(try names().isEmpty)
  }

  @Test func refusesMissingArguments() throws {
    for arguments in [[], ["convert"], [tiny], ["check"], ["inspect"], ["export", tiny]] {
      #expect(try tool.run(arguments).status == 64)
    }
  }

  @Test func failsOnFilesThatAreNoModels() throws {
    let text = try directory.write("hello", to: "hello.sana")
    for command in ["check", "inspect"] {
      try expectFailure(command, text)
      try expectFailure(command, directory.path("absent.sana"))
      try expectFailure(command, directory.url.path)
    }
    try expectFailure("export", text, "-o", directory.path("out"))
  }

  @Test func checkFindsAFlippedBit() throws {
    #expect(try tool.run(tiny, "-o", output).status == 0)
    var bytes = [UInt8](try Data(contentsOf: URL(filePath: output)))
    bytes[bytes.count / 2] ^= 1
    try directory.write(bytes, to: "model.sana")
    try expectFailure("check", output)
  }

  @Test func aTruncatedShardIsNamed() throws {
    let path = try directory.copy(Checkpoints.url("sana-tiny"), to: "checkpoint")
    let shard = path + "/text_encoder/model-00002-of-00003.safetensors"
    let handle = try FileHandle(forUpdating: URL(filePath: shard))
    try handle.truncate(atOffset: handle.seekToEnd() - 1)
    try handle.close()
    #expect(try expectFailure(path, "-o", output).contains("model-00002-of-00003"))
  }

  @Test func aLyingHeaderIsNamed() throws {
    let path = try directory.copy(Checkpoints.url("sana-tiny"), to: "checkpoint") + "/transformer"
    let weights = path + "/diffusion_pytorch_model.safetensors"
    var bytes = [UInt8](try Data(contentsOf: URL(filePath: weights)))
    bytes.replaceSubrange(0..<8, with: [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F])
    try Data(bytes).write(to: URL(filePath: weights))
    #expect(
      try expectFailure(path, "-o", output).contains("diffusion_pytorch_model.safetensors"))
  }

  @Test(arguments: [false, true])
  func aTensorThatDoesNotFitIsNamed(isMissing: Bool) throws {
    let path = try directory.copy(Checkpoints.url("sana-tiny"), to: "checkpoint") + "/vae"
    let weights = path + "/diffusion_pytorch_model.safetensors"
    let file = try SafetensorsFile(path: weights)
    let stranger = CheckpointTensor(name: "stranger", type: .f32, shape: [1])
    let first = try #require(file.tensors.first)
    let kept = isMissing ? Array(file.tensors.dropFirst()) : file.tensors + [stranger]
    let writer = try SafetensorsWriter(path: weights, tensors: kept)
    for tensor in kept {
      let bytes = file.bytes(of: tensor.name).map { Array($0.bytes) } ?? [0, 0, 0, 0]
      try bytes.withUnsafeBytes { try writer.write($0, as: tensor.name) }
    }
    try writer.finish()
    let expected = isMissing ? "missing: '\(first.name)'" : "unexpected: 'stranger'"
    #expect(try expectFailure(path, "-o", output).contains(expected))
  }

  @Test func aKilledConversionLeavesNothingUnderTheNameAndCanBeRepeated() throws {
    let checkpoint = try SparseCheckpoint.autoencoder(in: directory)
    let before = try names()
    let running = try tool.start([checkpoint, "-o", output])
    while running.process.isRunning, try names() == before { usleep(1000) }
    kill(running.process.processIdentifier, SIGKILL)
    #expect(running.wait().status == 128 + SIGKILL)
    #expect(try !names().contains("model.sana"))
    #expect(try tool.run(Checkpoints.path("sana-tiny"), "-o", output).status == 0)
    #expect(try tool.run("check", output).status == 0)
  }

  @Test func anInterruptLeavesNothing() throws {
    // The autoencoder of the releases, all zeros, as a sparse file: large enough to be interrupted.
    let checkpoint = try SparseCheckpoint.autoencoder(in: directory)
    let before = try names()
    for signal in [SIGINT, SIGTERM] {
      let running = try tool.start([checkpoint, "-o", output])
      while running.process.isRunning, try names() == before { usleep(1000) }
      kill(running.process.processIdentifier, signal)
      let outcome = running.wait()
      #expect(outcome.status == 128 + signal)
      #expect(outcome.error.hasPrefix("error: stopped"))
      #expect(try names() == before)
    }
  }
}
