internal import Support

/// The configurations of the official releases, for a file of weights that comes without its
/// `config.json`.
enum ReleasedConfigurations {
  /// The configuration of the one release that has exactly these tensors.
  ///
  /// Names and shapes do not tell everything: the 512, 1024, 2K and 4K models of one size have the
  /// same tensors but not the same position embedding. A position embedding among NVlabs' tensors,
  /// or a resolution in the file's name (`Sana_1600M_2Kpx.pth`), tells them apart. Where several
  /// releases fit still, none is taken.
  /// - Throws: `.invalidConfiguration` when no release fits, or more than one.
  static func infer(
    _ kind: ComponentKind, from weights: any CheckpointTensors, location: String
  ) throws(SanaError) -> MetadataValue {
    let fitting = try fitting(kind, weights, location: location)
    guard let only = fitting.first, fitting.count == 1 else {
      let reason =
        fitting.isEmpty
        ? "its tensors are those of no release"
        : "its tensors fit \(fitting.map(\.release).joined(separator: ", ")) alike"
      throw SanaError(
        .invalidConfiguration, "has no config.json beside it, and \(reason)",
        remedy: "put the config.json of its release there", location: location)
    }
    return only.document
  }

  /// The releases whose configuration this is, by the names of their sizes; several weights have
  /// the same configuration.
  static func names(of configuration: ComponentConfiguration) -> [String] {
    documents(of: configuration.kind).filter { release, document in
      (try? ComponentConfiguration(configuration.kind, official: document, location: release))
        == configuration
    }.map(\.release)
  }

  /// The releases that weights without a configuration could be of.
  static func names(
    of kind: ComponentKind, fitting weights: any CheckpointTensors, location: String
  )
    -> [String]
  {
    ((try? fitting(kind, weights, location: location)) ?? []).map(\.release)
  }

  /// What the networks of the releases consist of.
  static func layouts(of kind: ComponentKind) -> [(release: String, layout: OfficialLayout)] {
    documents(of: kind).compactMap { release, document in
      (try? ComponentConfiguration(kind, official: document, location: release)).map {
        (release, OfficialLayout($0))
      }
    }
  }

  private static func fitting(
    _ kind: ComponentKind, _ weights: any CheckpointTensors, location: String
  ) throws(SanaError) -> [(release: String, document: MetadataValue)] {
    var fitting: [(release: String, document: MetadataValue)] = []
    for (release, document) in documents(of: kind) {
      let configuration = try ComponentConfiguration(kind, official: document, location: release)
      if (try? FusedCheckpointSource(weights, configuration: configuration)) != nil {
        fitting.append((release, document))
      }
    }
    if fitting.count > 1,
      let sampleSize = weights.sampleSize ?? sampleSize(named: location)
    {
      fitting.removeAll { $0.document["sample_size"]?.integerValue != sampleSize }
    }
    return fitting
  }

  /// Side of the latents of the resolution that a file's name states; a latent is 32 pixels wide.
  private static func sampleSize(named path: String) -> Int? {
    let name = FileSystem.name(of: path).lowercased()
    let sizes = [("512px", 16), ("1024px", 32), ("2kpx", 64), ("4kpx", 128)]
      .filter { name.contains($0.0) }
    return sizes.count == 1 ? sizes[0].1 : nil
  }

  private static func documents(
    of kind: ComponentKind
  ) -> [(release: String, document: MetadataValue)] {
    switch kind {
    case .textEncoder: [("Gemma-2 2B", textEncoder)]
    case .autoencoder: [("DC-AE f32c32", autoencoder), ("DC-AE-Lite f32c32", liteAutoencoder)]
    case .transformer:
      [
        ("Sana 0.6B 512px", small(sampleSize: 16)),
        ("Sana 0.6B 1024px", small(sampleSize: 32)),
        ("Sana 1.6B 512px", large(sampleSize: 16)),
        ("Sana 1.6B 1024px", large(sampleSize: 32)),
        ("Sana 1.6B 2Kpx", large(sampleSize: 64, interpolationScale: 1)),
        ("Sana 1.6B 4Kpx", large(sampleSize: 128, interpolationScale: 2)),
        ("SANA-1.5 1.6B", large(normalizesQueriesAndKeys: true)),
        ("SANA-1.5 4.8B", large(layers: 60, normalizesQueriesAndKeys: true)),
        ("SANA-Sprint 0.6B", small(normalizesQueriesAndKeys: true, embedsGuidance: true)),
        ("SANA-Sprint 1.6B", large(normalizesQueriesAndKeys: true, embedsGuidance: true)),
      ]
    }
  }

  private static func small(
    sampleSize: Int64 = 32, normalizesQueriesAndKeys: Bool = false, embedsGuidance: Bool = false
  ) -> MetadataValue {
    transformer(
      heads: 36, layers: 28, crossHeads: 16, crossHeadDimension: 72, sampleSize: sampleSize,
      interpolationScale: nil, normalizesQueriesAndKeys: normalizesQueriesAndKeys,
      embedsGuidance: embedsGuidance)
  }

  private static func large(
    layers: Int64 = 20, sampleSize: Int64 = 32, interpolationScale: Double? = nil,
    normalizesQueriesAndKeys: Bool = false, embedsGuidance: Bool = false
  ) -> MetadataValue {
    transformer(
      heads: 70, layers: layers, crossHeads: 20, crossHeadDimension: 112, sampleSize: sampleSize,
      interpolationScale: interpolationScale, normalizesQueriesAndKeys: normalizesQueriesAndKeys,
      embedsGuidance: embedsGuidance)
  }

  private static func transformer(
    heads: Int64, layers: Int64, crossHeads: Int64, crossHeadDimension: Int64, sampleSize: Int64,
    interpolationScale: Double?, normalizesQueriesAndKeys: Bool, embedsGuidance: Bool
  ) -> MetadataValue {
    [
      "_class_name": "SanaTransformer2DModel",
      "attention_bias": false,
      "attention_head_dim": 32,
      "caption_channels": 2304,
      "cross_attention_dim": .integer(heads * 32),
      "cross_attention_head_dim": .integer(crossHeadDimension),
      "dropout": 0.0,
      "guidance_embeds": .bool(embedsGuidance),
      "guidance_embeds_scale": 0.1,
      "in_channels": 32,
      "interpolation_scale": interpolationScale.map { .number($0) } ?? .null,
      "mlp_ratio": 2.5,
      "norm_elementwise_affine": false,
      "norm_eps": 1e-6,
      "num_attention_heads": .integer(heads),
      "num_cross_attention_heads": .integer(crossHeads),
      "num_layers": .integer(layers),
      "out_channels": 32,
      "patch_size": 1,
      "qk_norm": normalizesQueriesAndKeys ? "rms_norm_across_heads" : .null,
      "sample_size": .integer(sampleSize),
      "timestep_scale": 1.0,
    ]
  }

  private static let textEncoder: MetadataValue = [
    "architectures": ["Gemma2Model"],
    "attention_bias": false,
    "attn_logit_softcapping": 50.0,
    "bos_token_id": 2,
    "eos_token_id": [1, 107],
    "final_logit_softcapping": 30.0,
    "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "max_position_embeddings": 8192,
    "model_type": "gemma2",
    "num_attention_heads": 8,
    "num_hidden_layers": 26,
    "num_key_value_heads": 4,
    "pad_token_id": 0,
    "query_pre_attn_scalar": 256,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "sliding_window": 4096,
    "torch_dtype": "bfloat16",
    "vocab_size": 256000,
  ]

  private static let autoencoder: MetadataValue = [
    "_class_name": "AutoencoderDC",
    "attention_head_dim": 32,
    "decoder_act_fns": "silu",
    "decoder_block_out_channels": [128, 256, 512, 512, 1024, 1024],
    "decoder_block_types": blockTypes,
    "decoder_layers_per_block": [3, 3, 3, 3, 3, 3],
    "decoder_norm_types": "rms_norm",
    "decoder_qkv_multiscales": multiscales,
    "downsample_block_type": "Conv",
    "encoder_block_out_channels": [128, 256, 512, 512, 1024, 1024],
    "encoder_block_types": blockTypes,
    "encoder_layers_per_block": [2, 2, 2, 3, 3, 3],
    "encoder_qkv_multiscales": multiscales,
    "in_channels": 3,
    "latent_channels": 32,
    "scaling_factor": 0.41407,
    "upsample_block_type": "interpolate",
  ]
  private static let liteAutoencoder: MetadataValue = [
    "_class_name": "AutoencoderDC",
    "attention_head_dim": 32,
    "decoder_act_fns": "silu",
    "decoder_block_out_channels": [128, 256, 512, 512, 1024, 1024],
    "decoder_block_types": "ResBlock",
    "decoder_conv_act_fn": "silu",
    "decoder_layers_per_block": [0, 3, 5, 4, 4, 4],
    "decoder_norm_types": "rms_norm",
    "decoder_qkv_multiscales": [[], [], [], [], [], []],
    "downsample_block_type": "Conv",
    "encoder_block_out_channels": [128, 256, 512, 512, 1024, 1024],
    "encoder_block_types": blockTypes,
    "encoder_layers_per_block": [2, 2, 2, 3, 3, 3],
    "encoder_qkv_multiscales": multiscales,
    "in_channels": 3,
    "latent_channels": 32,
    "scaling_factor": 0.41407,
    "upsample_block_type": "pixel_shuffle",
  ]
  private static let blockTypes: MetadataValue = [
    "ResBlock", "ResBlock", "ResBlock",
    "EfficientViTBlock", "EfficientViTBlock", "EfficientViTBlock",
  ]
  private static let multiscales: MetadataValue = [[], [], [], [5], [5], [5]]
}
