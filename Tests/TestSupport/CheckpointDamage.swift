import Foundation
public import Support
internal import WeightFormats

/// A way in which official checkpoints are broken when people bring them, done to a copy of
/// `sana-tiny`.
public struct CheckpointDamage: CustomStringConvertible, Sendable {
  public let description: String
  /// What is said of it, by a conversion and by what is shown before one.
  public let words: [String]
  private let change: @Sendable (String) throws -> Void

  /// Copies the checkpoint into the folder and breaks the copy.
  public func checkpoint(in directory: TestDirectory) throws -> String {
    let path = try directory.copy(Checkpoints.url("sana-tiny"), to: "checkpoint")
    try change(path)
    return path
  }

  private init(
    _ description: String, _ words: String..., change: @escaping @Sendable (String) throws -> Void
  ) {
    self.description = description
    self.words = words
    self.change = change
  }

  /// Other values in a configuration.
  private static func setting(
    _ values: KeyValuePairs<String, MetadataValue>, in file: String, _ words: String...
  ) -> CheckpointDamage {
    let members = values.map { MetadataValue.Member($0.key, $0.value) }
    let names = members.map(\.name).joined(separator: ", ")
    return CheckpointDamage(description: "other \(names) in \(file)", words: words) { path in
      try set(members, in: "\(path)/\(file)")
    }
  }

  private init(
    description: String, words: [String], change: @escaping @Sendable (String) throws -> Void
  ) {
    self.description = description
    self.words = words
    self.change = change
  }

  /// Replaces or adds members of a JSON object in a file.
  public static func set(_ members: [MetadataValue.Member], in path: String) throws {
    let old = try JSONParser.parse(file: path).members ?? []
    let names = Set(members.map(\.name))
    let document = MetadataValue.object(old.filter { !names.contains($0.name) } + members)
    try Data(JSONWriter.write(document)).write(to: URL(filePath: path))
  }

  private static func replacing(
    _ file: String, by contents: [UInt8], _ what: String, _ words: String...
  ) -> CheckpointDamage {
    CheckpointDamage(description: "\(what) as \(file)", words: words) { path in
      try Data(contents).write(to: URL(filePath: "\(path)/\(file)"))
    }
  }

  private static let pointer = Array(
    "version https://git-lfs.github.com/spec/v1\noid sha256:\(String(repeating: "7", count: 64))\nsize 4241003\n"
      .utf8)
  private static let weights = "transformer/diffusion_pytorch_model.safetensors"

  public static let contradictions: [CheckpointDamage] = [
    .setting(
      ["num_layers": 2], in: "transformer/config.json", "'num_layers' means 2 modules",
      "the file has 3"),
    .setting(
      ["num_layers": 30], in: "transformer/config.json", "'num_layers' means 30 modules",
      "the file has 3"),
    .setting(
      ["caption_channels": 2304], in: "transformer/config.json", "'caption_channels' is 2304",
      "'caption_projection.linear_1.weight' is [128, "),
    .setting(
      ["in_channels": 16, "out_channels": 16], in: "transformer/config.json",
      "'in_channels' is 16, the file has 32", "'out_channels' is 16, the file has 32"),
    .setting(
      ["num_attention_heads": 8, "cross_attention_dim": 256], in: "transformer/config.json",
      "'num_attention_heads * attention_head_dim' is 256, the file has 128"),
    .setting(
      ["mlp_ratio": 4.0], in: "transformer/config.json",
      "'mlp_ratio * num_attention_heads * attention_head_dim' is 512, the file has 320"),
    .setting(
      ["qk_norm": "rms_norm_across_heads"], in: "transformer/config.json",
      "'qk_norm' is rms_norm_across_heads, the file has no"),
    .setting(
      ["guidance_embeds": true], in: "transformer/config.json", "'guidance_embeds' is true"),
    .setting(
      ["num_hidden_layers": 9], in: "text_encoder/config.json", "'num_hidden_layers' means 9"),
    .setting(
      ["vocab_size": 256_000], in: "text_encoder/config.json", "'vocab_size' is 256000",
      "'embed_tokens.weight' is ["),
    .setting(
      ["hidden_size": 2304], in: "text_encoder/config.json", "'hidden_size' is 2304"),
    .setting(
      ["intermediate_size": 9216], in: "text_encoder/config.json", "'intermediate_size' is 9216"),
    .setting(
      ["latent_channels": 16], in: "vae/config.json", "'latent_channels' is 16, the file has 32"),
    .setting(
      ["decoder_layers_per_block": [9, 9, 9, 9, 9, 9]], in: "vae/config.json",
      "decoder_layers_per_block"),
  ]

  public static let documents: [CheckpointDamage] = [
    .replacing(
      "tokenizer/tokenizer.model", by: pointer, "a git-LFS pointer",
      "tokenizer/tokenizer.model: is a git-LFS pointer", "of 4241003 bytes", "git lfs pull"),
    .replacing(
      "tokenizer/tokenizer.json", by: pointer, "a git-LFS pointer",
      "tokenizer/tokenizer.json: is a git-LFS pointer"),
    .replacing(
      "tokenizer/tokenizer.model", by: [], "nothing", "tokenizer/tokenizer.model: is empty"),
    CheckpointDamage(
      "half a tokenizer.model",
      "tokenizer/tokenizer.model: is no SentencePiece model, or ends early"
    ) { path in
      let file = URL(filePath: "\(path)/tokenizer/tokenizer.model")
      try Data(contentsOf: file).prefix(20_000).write(to: file)
    },
    .replacing(
      "tokenizer/tokenizer_config.json", by: Array("<html><body>429".utf8), "a page",
      "tokenizer/tokenizer_config.json: is an HTML page"),
    .replacing(
      "tokenizer/special_tokens_map.json", by: Array(#"{"bos_token": "#.utf8), "half a document",
      "tokenizer/special_tokens_map.json: "),
    .replacing(
      "transformer/config.json", by: pointer, "a git-LFS pointer",
      "transformer/config.json: is a git-LFS pointer"),
    .replacing(
      "vae/config.json", by: Array("Entry not found".utf8), "a server's answer",
      "vae/config.json: is a text ('Entry not found'), not a JSON document"),
    .replacing(
      "model_index.json", by: pointer, "a git-LFS pointer", "model_index.json: is a git-LFS pointer"
    ),
    .replacing(
      "scheduler/scheduler_config.json", by: pointer, "a git-LFS pointer",
      "scheduler_config.json: is a git-LFS pointer"),
    .replacing(weights, by: pointer, "a git-LFS pointer", "\(weights): is a git-LFS pointer"),
    .replacing(
      weights, by: Array("GGUF".utf8) + [UInt8](repeating: 3, count: 84), "a GGUF file",
      "\(weights): is a GGUF file"),
  ]

  private static let unrunnable: [MetadataValue.Member] = [
    .init("_class_name", "UniPCMultistepScheduler"), .init("use_flow_sigmas", true),
    .init("prediction_type", "flow_prediction"), .init("flow_shift", 3.0),
    .init("num_train_timesteps", 1000),
  ]

  /// The pipeline was saved after another scheduler was put into it.
  public static let unrunnableScheduler = CheckpointDamage(
    "a scheduler that cannot be run", "UniPCMultistepScheduler", "--scheduler dpm++ or euler"
  ) { path in
    try set(unrunnable, in: "\(path)/scheduler/scheduler_config.json")
    try set(
      [.init("scheduler", ["diffusers", "UniPCMultistepScheduler"])],
      in: "\(path)/model_index.json")
  }

  public static let pipelines: [CheckpointDamage] = [
    unrunnableScheduler,
    .setting(
      ["scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"]], in: "model_index.json",
      "names the class 'DPMSolverMultistepScheduler', model_index.json 'FlowMatchEulerDiscreteScheduler'"
    ),
    .setting(
      ["_class_name": "DDIMScheduler", "prediction_type": "epsilon"],
      in: "scheduler/scheduler_config.json", "DDIMScheduler"),
    CheckpointDamage(
      "Sprint's scheduler", "'guidance_embeds' is false", "the scheduler is SCMScheduler"
    ) { path in
      try set(
        [.init("_class_name", "SCMScheduler"), .init("prediction_type", "trigflow")],
        in: "\(path)/scheduler/scheduler_config.json")
      try set([.init("scheduler", ["diffusers", "SCMScheduler"])], in: "\(path)/model_index.json")
    },
    CheckpointDamage(
      "another model's tokenizer",
      "the tokenizer has 2048 pieces, the text encoder's 'vocab_size' is 1024"
    ) { path in
      let folder = "\(path)/text_encoder"
      let rows = 1024
      for name in try FileManager.default.contentsOfDirectory(atPath: folder)
      where name.hasSuffix(".safetensors") {
        let file = try SafetensorsFile(path: "\(folder)/\(name)")
        try SparseWeights.write(
          file.tensors.map { tensor in
            tensor.name == "embed_tokens.weight"
              ? CheckpointTensor(
                name: tensor.name, type: tensor.type, shape: [rows, tensor.shape[1]]) : tensor
          }, to: "\(folder)/\(name)")
      }
      try set([.init("vocab_size", .integer(Int64(rows)))], in: "\(folder)/config.json")
    },
    CheckpointDamage("no autoencoder", "no folder 'vae'") { path in
      try FileManager.default.removeItem(atPath: "\(path)/vae")
    },
    CheckpointDamage("no scheduler", "scheduler_config.json: cannot be opened") { path in
      try FileManager.default.removeItem(atPath: "\(path)/scheduler")
    },
    CheckpointDamage(
      "the transformer's folder as the autoencoder's",
      "holds the class SanaTransformer2DModel, where model_index.json names AutoencoderDC"
    ) { path in
      try FileManager.default.removeItem(atPath: "\(path)/vae")
      try FileManager.default.copyItem(atPath: "\(path)/transformer", toPath: "\(path)/vae")
    },
  ]

  public static let all = contradictions + documents + pipelines
}
