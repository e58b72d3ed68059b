internal import Support

/// NVlabs' own names of the networks' tensors, as their `.pth` files and the autoencoder's first
/// safetensors files have them, and diffusers' names of the same numbers
/// (`convert_sana_to_diffusers.py` and `convert_dcae_to_diffusers.py` in huggingface/diffusers,
/// `scripts`).
enum OriginalNames {
  /// What a tensor becomes: equal parts of its rows, one for each name.
  struct Translation: Hashable {
    let officialNames: [String]
    /// 1x1 convolutions that diffusers holds as linear layers lose their two kernel axes.
    var dropsKernelAxes = false
  }

  /// The component that names like these belong to, or `nil` when they are not NVlabs' names.
  /// - Throws: `.unsupported` for a ControlNet.
  static func kind(
    of tensors: any CheckpointTensors, location: String
  ) throws(SanaError) -> ComponentKind? {
    func holds(_ name: String) -> Bool { tensors.tensor(named: name) != nil }
    if holds(controlNetMark) {
      return try ComponentKind(officialClass: "SanaControlNetModel", location: location)
    }
    if holds("x_embedder.proj.weight") && holds("final_layer.linear.weight") { return .transformer }
    let names = tensors.tensors.map(\.name)
    if names.contains(where: { $0.hasPrefix("encoder.project_in.") }),
      names.contains(where: { $0.hasPrefix("decoder.project_out.") })
    {
      return .autoencoder
    }
    return nil
  }

  /// A tensor that every ControlNet of NVlabs has.
  private static let controlNetMark = "controlnet.0.before_proj.weight"

  /// Whether these are a ControlNet's tensors, under whoever's names.
  static func isControlNet(_ tensors: any CheckpointTensors) -> Bool {
    [controlNetMark, "controlnet_blocks.0.weight"].contains { tensors.tensor(named: $0) != nil }
  }

  /// Whether the names are NVlabs', a ControlNet's included.
  static func areOriginal(_ tensors: any CheckpointTensors) -> Bool {
    tensors.tensor(named: controlNetMark) != nil
      || ((try? kind(of: tensors, location: "")) ?? nil) != nil
  }

  /// Tensors that diffusers drops: the caption of unconditional training, the position embedding,
  /// which is computed, and a head that only training uses.
  static let unused: Set<String> = [
    "y_embedder.y_embedding", "pos_embed", "logvar_linear.weight", "logvar_linear.bias",
  ]

  /// - Parameter embedsGuidance: whether the transformer is of SANA-Sprint, whose timestep
  ///   embedding lies elsewhere.
  static func translate(
    _ name: String, of kind: ComponentKind, embedsGuidance: Bool
  ) -> Translation? {
    switch kind {
    case .transformer: transformer(name, embedsGuidance: embedsGuidance)
    case .autoencoder: autoencoder(name)
    case .textEncoder: nil
    }
  }

  // MARK: - The transformer

  private static func transformer(_ name: String, embedsGuidance: Bool) -> Translation? {
    if name == "final_layer.scale_shift_table" {
      return Translation(officialNames: ["scale_shift_table"])
    }
    guard let dot = name.lastIndex(of: ".") else { return nil }
    let (module, parameter) = (String(name[..<dot]), String(name[name.index(after: dot)...]))
    if let official = stem[module] {
      return Translation(officialNames: ["\(official).\(parameter)"])
    }
    if let layer = timestepEmbedding[module] {
      let embedder = embedsGuidance ? "timestep_embedder" : "emb.timestep_embedder"
      return Translation(officialNames: ["time_embed.\(embedder).\(layer).\(parameter)"])
    }
    let parts = name.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "blocks", let block = Int(parts[1]) else { return nil }
    let prefix = "transformer_blocks.\(block)"
    if parts[2] == "scale_shift_table" {
      return Translation(officialNames: ["\(prefix).scale_shift_table"])
    }
    guard let modules = transformerBlock[String(parts[2].dropLast(parameter.count + 1))] else {
      return nil
    }
    return Translation(officialNames: modules.map { "\(prefix).\($0).\(parameter)" })
  }

  /// The modules of a transformer with weights, and what diffusers made of each. Where the layers
  /// of the timestep's embedding are, depends on the release: both places are named.
  static func transformerModules(blockCount: Int) -> [(original: String, official: [String])] {
    var modules = stem.map { (original: $0, official: [$1]) }
    for (original, layer) in timestepEmbedding {
      for embedder in ["timestep_embedder", "emb.timestep_embedder"] {
        modules.append((original, ["time_embed.\(embedder).\(layer)"]))
      }
    }
    for block in 0..<max(blockCount, 0) {
      for (original, official) in transformerBlock {
        modules.append(
          ("blocks.\(block).\(original)", official.map { "transformer_blocks.\(block).\($0)" }))
      }
    }
    return modules
  }

  private static let stem = [
    "x_embedder.proj": "patch_embed.proj",
    "y_embedder.y_proj.fc1": "caption_projection.linear_1",
    "y_embedder.y_proj.fc2": "caption_projection.linear_2",
    "attention_y_norm": "caption_norm",
    "t_block.1": "time_embed.linear",
    "cfg_embedder.mlp.0": "time_embed.guidance_embedder.linear_1",
    "cfg_embedder.mlp.2": "time_embed.guidance_embedder.linear_2",
    "final_layer.linear": "proj_out",
  ]

  private static let timestepEmbedding = [
    "t_embedder.mlp.0": "linear_1", "t_embedder.mlp.2": "linear_2",
  ]

  private static let transformerBlock = [
    "attn.qkv": ["attn1.to_q", "attn1.to_k", "attn1.to_v"],
    "attn.q_norm": ["attn1.norm_q"],
    "attn.k_norm": ["attn1.norm_k"],
    "attn.proj": ["attn1.to_out.0"],
    "cross_attn.q_linear": ["attn2.to_q"],
    "cross_attn.kv_linear": ["attn2.to_k", "attn2.to_v"],
    "cross_attn.q_norm": ["attn2.norm_q"],
    "cross_attn.k_norm": ["attn2.norm_k"],
    "cross_attn.proj": ["attn2.to_out.0"],
    "mlp.inverted_conv.conv": ["ff.conv_inverted"],
    "mlp.depth_conv.conv": ["ff.conv_depth"],
    "mlp.point_conv.conv": ["ff.conv_point"],
  ]

  // MARK: - The autoencoder

  private static func autoencoder(_ name: String) -> Translation? {
    // The wrappers around a branch have no counterpart.
    var parts = name.split(separator: ".", omittingEmptySubsequences: false)
      .filter { $0 != "main" && $0 != "op_list" }
    guard parts.count >= 3, let parameter = parts.popLast() else { return nil }
    let module = parts.joined(separator: ".")
    if let official = ends[module] {
      return Translation(officialNames: ["\(official).\(parameter)"])
    }
    guard parts.count > 4, parts[1] == "stages", let stage = Int(parts[2]),
      let block = Int(parts[3])
    else { return nil }
    let prefix: String
    switch parts[0] {
    case "encoder": prefix = "encoder.down_blocks.\(stage).\(block)"
    case "decoder": prefix = "decoder.up_blocks.\(stage).\(block)"
    default: return nil
    }
    let inner = parts[4...].joined(separator: ".")
    if let official = autoencoderBlock[inner] {
      return Translation(officialNames: ["\(prefix).\(official).\(parameter)"])
    }
    switch inner {
    case "context_module.qkv.conv":
      return Translation(
        officialNames: ["to_q", "to_k", "to_v"].map { "\(prefix).attn.\($0).\(parameter)" },
        dropsKernelAxes: true)
    case "context_module.proj.conv":
      return Translation(
        officialNames: ["\(prefix).attn.to_out.\(parameter)"], dropsKernelAxes: true)
    default: break
    }
    // `context_module.aggreg.<scale>.0` and `.1`.
    guard parts.count == 8, parts[4] == "context_module", parts[5] == "aggreg",
      let scale = Int(parts[6])
    else { return nil }
    let projections: [Substring: String] = ["0": "proj_in", "1": "proj_out"]
    return projections[parts[7]].map {
      Translation(officialNames: ["\(prefix).attn.to_qkv_multiscale.\(scale).\($0).\(parameter)"])
    }
  }

  private static let ends = [
    "encoder.project_in.conv": "encoder.conv_in",
    "encoder.project_in.conv.conv": "encoder.conv_in.conv",
    "encoder.project_out.0.conv": "encoder.conv_out",
    "decoder.project_in.conv": "decoder.conv_in",
    "decoder.project_out.0": "decoder.norm_out",
    "decoder.project_out.2.conv": "decoder.conv_out",
    "decoder.project_out.2.conv.conv": "decoder.conv_out.conv",
  ]

  private static let autoencoderBlock = [
    "conv1.conv": "conv1",
    "conv2.conv": "conv2",
    "conv2.norm": "norm",
    "conv": "conv",
    "conv.conv": "conv",
    "context_module.proj.norm": "attn.norm_out",
    "local_module.inverted_conv.conv": "conv_out.conv_inverted",
    "local_module.depth_conv.conv": "conv_out.conv_depth",
    "local_module.point_conv.conv": "conv_out.conv_point",
    "local_module.point_conv.norm": "conv_out.norm",
  ]
}
