import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct ConfigurationContradictionTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private func open(
    _ kinds: Set<ComponentKind>? = nil, at path: String
  ) throws -> CheckpointConversion {
    try CheckpointConversion(OfficialCheckpoint(path: path, components: kinds))
  }

  @Test(arguments: CheckpointDamage.contradictions)
  func bothNumbersAreNamed(_ damage: CheckpointDamage) throws {
    let path = try damage.checkpoint(in: directory)
    let error = #expect(throws: SanaError.self) { try open(at: path) }
    #expect([.tensorMismatch, .invalidConfiguration].contains(error?.code))
    for words in damage.words {
      #expect(error?.message.contains(words) == true, "\(String(describing: error))")
    }
  }

  @Test func partsOfTwoModelsAreTold() throws {
    // Widths that fit their own files and not each other.
    let path = try directory.copy(Checkpoints.url("sana-tiny"), to: "mixed")
    let configuration = path + "/transformer/config.json"
    let width = try #require(
      JSONParser.parse(file: configuration)["caption_channels"]?.integerValue)
    let weights = path + "/transformer/diffusion_pytorch_model.safetensors"
    try rewrite(weights) { tensor in
      tensor.name == "caption_projection.linear_1.weight"
        ? [tensor.shape[0], width * 2] : tensor.shape
    }
    try CheckpointDamage.set(
      [.init("caption_channels", .integer(Int64(width * 2)))], in: configuration)
    var error = #expect(throws: SanaError.self) { try open(at: path) }
    #expect(
      error?.message
        == "its parts do not belong together: the text encoder's 'hidden_size' is \(width), the transformer's 'caption_channels' \(width * 2)"
    )
    #expect(error?.code == .invalidConfiguration)
    // Each by itself is sound.
    _ = try open([.transformer, .autoencoder], at: path)
    _ = try open([.textEncoder, .autoencoder], at: path)

    let other = try directory.copy(Checkpoints.url("sana-tiny"), to: "other")
    try CheckpointDamage.set(
      [.init("in_channels", 16), .init("out_channels", 16)], in: other + "/transformer/config.json")
    try rewrite(other + "/transformer/diffusion_pytorch_model.safetensors") { tensor in
      switch tensor.name {
      case "patch_embed.proj.weight": [tensor.shape[0], 16, 1, 1]
      case "proj_out.weight": [16, tensor.shape[1]]
      case "proj_out.bias": [16]
      default: tensor.shape
      }
    }
    error = #expect(throws: SanaError.self) { try open(at: other) }
    #expect(
      error?.message.contains(
        "the transformer's 'in_channels' is 16, the autoencoder's 'latent_channels' 32") == true)
    _ = try open([.textEncoder, .transformer], at: other)
  }

  /// Gives tensors other shapes, and numbers that are all zero.
  private func rewrite(_ path: String, _ shape: (CheckpointTensor) -> [Int]) throws {
    let tensors = try SafetensorsFile(path: path).tensors.map {
      CheckpointTensor(name: $0.name, type: $0.type, shape: shape($0))
    }
    try SparseWeights.write(tensors, to: path)
  }

  @Test func aPositionEmbeddingIsComparedWithTheSampleSize() throws {
    // NVlabs' names of the 0.6B transformer's tensors, of which the embedding alone matters here.
    let ends = [
      CheckpointTensor(name: "x_embedder.proj.weight", type: .f16, shape: [128, 32, 1, 1]),
      CheckpointTensor(name: "final_layer.linear.weight", type: .f16, shape: [32, 128]),
      CheckpointTensor(name: "attention_y_norm.weight", type: .f16, shape: [128]),
      CheckpointTensor(name: "pos_embed", type: .f16, shape: [1, 64 * 64, 128]),
    ]
    let path = directory.path("Sana.safetensors")
    try SparseWeights.write(ends, to: path)
    try directory.copy(
      Checkpoints.url("sana-tiny").appending(path: "transformer/config.json"), to: "config.json")
    let error = #expect(throws: SanaError.self) { try open(at: path) }
    #expect(
      error?.message.contains("the file's position embedding is for 64 x 64 latents ('pos_embed')")
        == true, "\(String(describing: error))")
    #expect(error?.message.contains("'sample_size' is ") == true)
  }

  @Test func aBlockThatIsMissingInBetweenIsNamedInstead() throws {
    let path = try directory.copy(Checkpoints.url("sana-tiny"), to: "checkpoint") + "/transformer"
    let weights = path + "/diffusion_pytorch_model.safetensors"
    let kept = try SafetensorsFile(path: weights).tensors.filter {
      !$0.name.hasPrefix("transformer_blocks.1.")
    }
    try SparseWeights.write(kept, to: weights)
    let error = #expect(throws: SanaError.self) { try open(at: path) }
    #expect(error?.message.contains("missing: 'transformer_blocks.1.") == true)
  }
}
