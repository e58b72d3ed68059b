import Foundation
import TestSupport
import Testing
import WeightFormats

/// Adapters and trainers' checkpoints on the command line.
@Suite struct AdapterCommandTests {
  private let directory: TestDirectory
  private let tool: Tool
  private let transformer = Checkpoints.path("sana-tiny") + "/transformer"

  init() throws {
    directory = try TestDirectory()
    tool = try Tool("sana-convert")
  }

  private var output: String { directory.path("model.sana") }

  private func write(_ tensors: [(CheckpointTensor, [UInt8])], to name: String) throws -> String {
    let path = directory.path(name)
    let writer = try SafetensorsWriter(path: path, tensors: tensors.map(\.0))
    for (tensor, bytes) in tensors {
      try bytes.withUnsafeBytes { try writer.write($0, as: tensor.name) }
    }
    try writer.finish()
    return path
  }

  /// kohya's names, f16 numbers of one, and an alpha that is an integer.
  private func lora(_ module: String, width: Int) throws -> String {
    let ones = [UInt8]((0..<2 * width).flatMap { _ in [0x00, 0x3C] as [UInt8] })
    return try write(
      [
        (
          CheckpointTensor(name: module + ".lora_down.weight", type: .f16, shape: [2, width]), ones
        ),
        (CheckpointTensor(name: module + ".lora_up.weight", type: .f16, shape: [width, 2]), ones),
        (
          CheckpointTensor(name: module + ".alpha", type: .i64, shape: []),
          [1, 0, 0, 0, 0, 0, 0, 0]
        ),
      ], to: "lora.safetensors")
  }

  @Test func whatIsMergedIsSaidBeforeAndWhile() throws {
    let lora = try lora("lora_unet_transformer_blocks_0_attn1_to_q", width: 128)
    let words = "LoRA of rank 2 for 1 module, alpha 1 from its tensors, scale 0.5"
    let outcome = try tool.run(transformer, "-o", output, "--lora", "\(lora):0.5")
    #expect(outcome.status == 0)
    #expect(outcome.error == "note: lora.safetensors: \(words)\n")
    let inspected = try tool.run("inspect", transformer, "--lora", "\(lora):0.5")
    #expect(inspected.status == 0)
    #expect(inspected.output.contains("\n--lora \(lora): \(words)\n"))
    let alone = try tool.run("inspect", lora)
    #expect(alone.status == 0)
    #expect(
      alone.output.contains("LoRA of rank 2 for 1 module, alpha 1 from its tensors; it fits no"))
    #expect(try tool.run("inspect", output, "--lora", lora).status == 1)
  }

  @Test func whatDoesNotFitIsOneLineWithTheReleaseThatItFits() throws {
    let lora = try lora("transformer.transformer_blocks.0.attn1.to_q", width: 1152)
    let outcome = try tool.run(transformer, "-o", output, "--lora", lora)
    #expect(outcome.status == 1)
    #expect(
      outcome.error
        == "error: \(lora): 'transformer.transformer_blocks.0.attn1.to_q.lora_down.weight' makes a matrix of 1152 x 1152 for 'transformer_blocks.0.attn1.to_q.weight' of the shape [128, 128]; use it with the transformer of Sana 0.6B 512px or Sana 0.6B 1024px or SANA-Sprint 0.6B\n"
    )
    let inspected = try tool.run("inspect", transformer, "--lora", lora)
    #expect(inspected.status == 0)
    #expect(inspected.output.contains("--lora \(lora): cannot be merged: \(lora): 'transformer"))
    #expect(!FileManager.default.fileExists(atPath: output))
  }

  @Test func aTrainersCheckpointIsChosenFrom() throws {
    let folder = try directory.copy(Checkpoints.url("sana-tiny/transformer"), to: "trained")
    let weights = folder + "/diffusion_pytorch_model.safetensors"
    let file = try SafetensorsFile(path: weights)
    let tensors = file.tensors
    var storages: [[UInt8]] = []
    for tensor in tensors {
      let numbers = try #require(file.bytes(of: tensor.name))
      storages.append(withExtendedLifetime(numbers) { Array(numbers.bytes) })
    }
    try FileManager.default.removeItem(atPath: weights)
    let pickle = PickleSample.of { pickle in
      pickle.code(0x7D)
      for name in ["state_dict", "state_dict_ema"] {
        pickle.string(name)
        pickle.global("collections", "OrderedDict")
        pickle.code(0x29, 0x52, 0x28)
        for (index, tensor) in tensors.enumerated() {
          pickle.string(tensor.name)
          pickle.tensor(
            tensor.shape, storage: "FloatStorage", key: "\(index)", count: tensor.elementCount)
        }
        pickle.code(0x75, 0x73)
      }
      pickle.string("step")
      pickle.call("numpy._core.multiarray", "scalar", with: ["i8"])
      pickle.code(0x73)
    }
    let path = try directory.write(
      TorchSample.file(pickle, storages: storages), to: "trained/epoch_1.pth")
    var outcome = try tool.run(path, "-o", output)
    #expect(outcome.status == 0)
    #expect(
      outcome.error
        == "note: transformer: epoch_1.pth: 'state_dict' (\(tensors.count) tensors) is taken; the file also holds 'state_dict_ema' (\(tensors.count) tensors), which --state ema takes\n"
    )
    outcome = try tool.run(path, "-o", output, "--state", "ema")
    #expect(outcome.status == 0 && outcome.error.isEmpty)
    let files = try ModelFile(path: output).metadata["provenance"]?["files"]?.arrayValue
    #expect(files?.first?["state"] == "state_dict_ema")
    let plain = directory.path("plain.sana")
    #expect(try tool.run(transformer, "-o", plain).status == 0)
    #expect(try tool.run("diff", output, plain).status == 0)
    let inspected = try tool.run("inspect", path).output
    for part in ["state_dict      ", "taken\n", "state_dict_ema  ", "--state ema\n"] {
      #expect(inspected.contains(part), "\(part)")
    }
    outcome = try tool.run(transformer, "-o", output, "--state", "ema")
    #expect(outcome.status == 1 && outcome.error.hasSuffix("; drop --state\n"))
  }
}
