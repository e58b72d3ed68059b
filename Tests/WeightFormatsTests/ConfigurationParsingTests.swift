import Support
import TestSupport
import Testing
import WeightFormats

/// Official configuration files, in the style of the first releases and of today's libraries.
enum SampleConfigurations {
  static func parse(_ text: String) throws -> MetadataValue {
    try Array(text.utf8).withUnsafeBytes {
      try JSONParser.parse($0, location: "config.json", options: .configuration)
    }
  }

  static let oldTextEncoder = #"""
    {"architectures": ["Gemma2Model"], "attention_bias": false, "attn_logit_softcapping": 50.0,
     "cache_implementation": "hybrid", "eos_token_id": [1, 107], "head_dim": 256,
     "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2304,
     "intermediate_size": 9216, "model_type": "gemma2", "num_attention_heads": 8,
     "num_hidden_layers": 3, "num_key_value_heads": 4, "query_pre_attn_scalar": 256,
     "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "sliding_window": 4096,
     "torch_dtype": "bfloat16", "vocab_size": 256000}
    """#
  static let newTextEncoder = #"""
    {"architectures": ["Gemma2Model"], "attention_bias": false, "attn_logit_softcapping": null,
     "dtype": "bfloat16", "head_dim": 32, "hidden_activation": "gelu_pytorch_tanh",
     "hidden_size": 96, "intermediate_size": 256,
     "layer_types": ["full_attention", "full_attention", "sliding_attention"],
     "model_type": "gemma2", "num_attention_heads": 4, "num_hidden_layers": 3,
     "num_key_value_heads": 1, "query_pre_attn_scalar": 24, "rms_norm_eps": 1e-05,
     "rope_parameters": {"rope_theta": 20000.0, "rope_type": "default"}, "sliding_window": 64,
     "use_bidirectional_attention": null, "vocab_size": 2048}
    """#
  static let oldTransformer = #"""
    {"_class_name": "SanaTransformer2DModel", "attention_bias": false, "attention_head_dim": 32,
     "caption_channels": 2304, "cross_attention_dim": 2240, "cross_attention_head_dim": 112,
     "dropout": 0.0, "in_channels": 32, "interpolation_scale": null, "mlp_ratio": 2.5,
     "norm_elementwise_affine": false, "norm_eps": 1e-06, "num_attention_heads": 70,
     "num_cross_attention_heads": 20, "num_layers": 20, "out_channels": 32, "patch_size": 1,
     "sample_size": 32}
    """#
  static let newTransformer = #"""
    {"_class_name": "SanaTransformer2DModel", "attention_bias": false, "attention_head_dim": 32,
     "caption_channels": 128, "cross_attention_dim": 128, "cross_attention_head_dim": 64,
     "guidance_embeds": true, "guidance_embeds_scale": 0.1, "in_channels": 16,
     "interpolation_scale": 2, "mlp_ratio": 3, "norm_elementwise_affine": false, "norm_eps": 1e-06,
     "num_attention_heads": 4, "num_cross_attention_heads": 2, "num_layers": 3,
     "out_channels": null, "patch_size": 1, "qk_norm": "rms_norm_across_heads", "sample_size": 128,
     "timestep_scale": 1000.0}
    """#
  static let oldAutoencoder = #"""
    {"_class_name": "AutoencoderDC", "attention_head_dim": 32, "decoder_act_fns": "silu",
     "decoder_block_out_channels": [8, 32, 64],
     "decoder_block_types": ["ResBlock", "EfficientViTBlock", "EfficientViTBlock"],
     "decoder_layers_per_block": [1, 2, 3], "decoder_norm_types": "rms_norm",
     "decoder_qkv_multiscales": [[], [5], [3, 5]], "downsample_block_type": "Conv",
     "encoder_block_out_channels": [8, 32, 64],
     "encoder_block_types": ["ResBlock", "ResBlock", "EfficientViTBlock"],
     "encoder_layers_per_block": [1, 1, 2], "encoder_qkv_multiscales": [[], [5], [5]],
     "in_channels": 3, "latent_channels": 32, "scaling_factor": 0.41407,
     "upsample_block_type": "interpolate"}
    """#
  static let dpmScheduler = #"""
    {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver++",
     "final_sigmas_type": "zero", "flow_shift": 3.0, "lambda_min_clipped": -Infinity,
     "num_train_timesteps": 1000, "prediction_type": "flow_prediction", "solver_order": 2,
     "solver_type": "midpoint", "thresholding": false, "use_flow_sigmas": true,
     "use_karras_sigmas": false, "variance_type": null}
    """#
}

extension MetadataValue {
  /// The object with one member replaced or added, or removed where the new value is `nil`.
  func replacing(_ name: String, with value: MetadataValue?) -> MetadataValue {
    var members = (self.members ?? []).filter { $0.name != name }
    if let value { members.append(Member(name, value)) }
    return .object(members)
  }
}

@Suite struct TextEncoderConfigurationTests {
  private func parse(_ document: MetadataValue) throws -> TextEncoderConfiguration {
    try TextEncoderConfiguration(official: document, location: "config.json")
  }

  @Test func readsTheOldStyle() throws {
    let configuration = try parse(SampleConfigurations.parse(SampleConfigurations.oldTextEncoder))
    #expect(configuration.layerTypes == [.sliding, .full, .sliding])
    #expect(configuration.ropeTheta == 10000)
    #expect(configuration.attentionSoftcap == 50)
    #expect(configuration.queryPreAttentionScalar == 256)
    #expect(configuration.vocabularySize == 256_000)
    #expect(configuration.headDimension == 256)
    #expect(configuration.slidingWindow == 4096)
  }

  @Test func readsTheNewStyle() throws {
    let configuration = try parse(SampleConfigurations.parse(SampleConfigurations.newTextEncoder))
    #expect(configuration.layerTypes == [.full, .full, .sliding])
    #expect(configuration.ropeTheta == 20000)
    #expect(configuration.attentionSoftcap == nil)
    #expect(configuration.queryPreAttentionScalar == 24)
    #expect(configuration.normEpsilon == 1e-5)
    #expect(configuration.slidingWindow == 64)
  }

  @Test(arguments: [
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "sliding_window",
  ])
  func namesTheKeyThatIsMissingOrNonsense(_ key: String) throws {
    let document = try SampleConfigurations.parse(SampleConfigurations.oldTextEncoder)
    for value: MetadataValue? in [nil, .null, -1, 0, "many", 1.5, .integer(.max), .number(.nan)] {
      let error = #expect(throws: SanaError.self) {
        try parse(document.replacing(key, with: value))
      }
      #expect(error?.code == .invalidConfiguration)
      #expect(error?.message.contains("'\(key)'") == true)
    }
  }

  @Test(
    arguments: [
      ("attention_bias", true), ("hidden_activation", "silu"), ("model_type", "gemma3"),
      ("use_bidirectional_attention", true), ("rope_scaling", ["factor": 2]),
      ("rope_parameters", ["rope_theta": 10000.0, "rope_type": "yarn"]),
      ("layer_types", ["chunked", "chunked", "chunked"]),
    ] as [(String, MetadataValue)])
  func refusesVariants(_ key: String, _ value: MetadataValue) throws {
    let document = try SampleConfigurations.parse(SampleConfigurations.oldTextEncoder)
    let error = #expect(throws: SanaError.self) { try parse(document.replacing(key, with: value)) }
    #expect(error?.code == .unsupported)
  }

  @Test func refusesWhatDoesNotFitTogether() throws {
    let document = try SampleConfigurations.parse(SampleConfigurations.oldTextEncoder)
    for (key, value) in [
      ("num_key_value_heads", 3), ("head_dim", 7), ("layer_types", ["full_attention"]),
      ("rope_parameters", 1), ("rope_parameters", .object([])),
    ] as [(String, MetadataValue)] {
      let error = #expect(throws: SanaError.self) {
        try parse(document.replacing(key, with: value))
      }
      #expect(error?.code == .invalidConfiguration)
    }
    #expect(throws: SanaError.self) { try parse([1, 2]) }
  }
}

@Suite struct TransformerConfigurationTests {
  private func parse(_ document: MetadataValue) throws -> TransformerConfiguration {
    try TransformerConfiguration(official: document, location: "config.json")
  }

  @Test func readsTheOldStyle() throws {
    let configuration = try parse(SampleConfigurations.parse(SampleConfigurations.oldTransformer))
    #expect(configuration.width == 2240)
    #expect(configuration.feedForwardWidth == 5600)
    #expect(!configuration.normalizesQueriesAndKeys)
    #expect(!configuration.embedsGuidance)
    #expect(configuration.timestepScale == 1)
    #expect(configuration.positionInterpolationScale == nil)
    #expect(configuration.sampleSize == 32)
  }

  @Test func readsTheNewStyle() throws {
    let configuration = try parse(SampleConfigurations.parse(SampleConfigurations.newTransformer))
    #expect(configuration.normalizesQueriesAndKeys)
    #expect(configuration.embedsGuidance)
    #expect(configuration.guidanceEmbeddingScale == 0.1)
    #expect(configuration.timestepScale == 1000)
    #expect(configuration.positionInterpolationScale == 2)
    #expect(configuration.outputChannels == 16)
    #expect(configuration.feedForwardRatio == 3)
  }

  @Test func absentKeysHaveTheDefaultsOfTheClass() throws {
    let configuration = try parse(.object([]))
    #expect(
      configuration == (try parse(SampleConfigurations.parse(SampleConfigurations.oldTransformer))))
  }

  @Test(
    arguments: [
      ("patch_size", 2), ("attention_bias", true), ("norm_elementwise_affine", true),
      ("qk_norm", "layer_norm"), ("cross_attention_dim", nil),
    ] as [(String, MetadataValue)])
  func refusesVariants(_ key: String, _ value: MetadataValue) throws {
    let document = try SampleConfigurations.parse(SampleConfigurations.oldTransformer)
    let error = #expect(throws: SanaError.self) { try parse(document.replacing(key, with: value)) }
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("'\(key)'") == true)
  }

  @Test(
    arguments: [
      ("num_layers", 0), ("num_layers", 1_000_000), ("num_attention_heads", 100_000),
      ("attention_head_dim", -32), ("mlp_ratio", 0), ("mlp_ratio", 1e300), ("mlp_ratio", "2.5"),
      ("norm_eps", .number(.infinity)), ("cross_attention_dim", 1152), ("sample_size", 0),
      ("interpolation_scale", 0), ("guidance_embeds", 1), ("in_channels", 1.5),
    ] as [(String, MetadataValue)])
  func namesTheKeyThatIsNonsense(_ key: String, _ value: MetadataValue) throws {
    let document = try SampleConfigurations.parse(SampleConfigurations.oldTransformer)
    let error = #expect(throws: SanaError.self) { try parse(document.replacing(key, with: value)) }
    #expect(error?.code == .invalidConfiguration)
    #expect(error?.message.contains("'\(key)'") == true)
  }

  @Test func refusesAbsurdWidths() throws {
    let document = try SampleConfigurations.parse(SampleConfigurations.oldTransformer)
      .replacing("num_attention_heads", with: 1024).replacing("attention_head_dim", with: 1024)
    #expect(throws: SanaError.self) { try parse(document) }
  }
}

@Suite struct AutoencoderConfigurationTests {
  private func parse(_ document: MetadataValue) throws -> AutoencoderConfiguration {
    try AutoencoderConfiguration(official: document, location: "config.json")
  }

  @Test func readsStages() throws {
    let configuration = try parse(SampleConfigurations.parse(SampleConfigurations.oldAutoencoder))
    #expect(
      configuration.decoder == [
        .init(block: .residual, channels: 8, layers: 1, multiscaleKernels: []),
        .init(block: .efficientViT, channels: 32, layers: 2, multiscaleKernels: [5]),
        .init(block: .efficientViT, channels: 64, layers: 3, multiscaleKernels: [3, 5]),
      ])
    #expect(configuration.encoder[1].multiscaleKernels.isEmpty)
    #expect(configuration.downsampling == .convolution)
    #expect(configuration.upsampling == .interpolate)
    #expect(configuration.encoderOutputShortcut && configuration.decoderInputShortcut)
    #expect(configuration.scalingFactor == 0.41407)
    #expect(configuration.compression == 4)
  }

  @Test func absentKeysHaveTheDefaultsOfTheClass() throws {
    let configuration = try parse(.object([]))
    #expect(configuration.encoder.map(\.layers) == [2, 2, 2, 3, 3, 3])
    #expect(configuration.decoder.map(\.channels) == [128, 256, 512, 512, 1024, 1024])
    #expect(configuration.downsampling == .pixelUnshuffle)
    #expect(configuration.upsampling == .pixelShuffle)
    #expect(configuration.compression == 32)
  }

  @Test(
    arguments: [
      ("decoder_norm_types", "batch_norm"),
      ("decoder_norm_types", ["rms_norm", "batch_norm", "rms_norm"]),
      ("decoder_norm_types", ["rms_norm", "rms_norm", "batch_norm", "rms_norm"]),
      ("decoder_act_fns", "relu"), ("decoder_conv_act_fn", "gelu"),
      ("decoder_block_types", ["ResBlock", "ResBlock", "Transformer"]),
    ] as [(String, MetadataValue)])
  func refusesVariants(_ key: String, _ value: MetadataValue) throws {
    let document = try SampleConfigurations.parse(SampleConfigurations.oldAutoencoder)
    let error = #expect(throws: SanaError.self) { try parse(document.replacing(key, with: value)) }
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("'\(key)'") == true)
  }

  @Test(
    arguments: [
      ("latent_channels", 0), ("latent_channels", 48), ("attention_head_dim", 24),
      ("decoder_block_out_channels", [8, 32]), ("decoder_block_out_channels", []),
      ("decoder_block_out_channels", [8, 32, -64]), ("decoder_block_out_channels", [8, 30, 64]),
      ("encoder_block_out_channels", [1, 32, 64]), ("decoder_layers_per_block", [1, 2]),
      ("decoder_qkv_multiscales", [[], [4], [5]]), ("decoder_qkv_multiscales", [[], 5, [5]]),
      ("scaling_factor", 0), ("scaling_factor", .number(.nan)), ("encoder_out_shortcut", "yes"),
      ("decoder_block_out_channels", 8), ("decoder_conv_act_fn", 3),
      ("decoder_conv_act_fn", ["silu"]), ("decoder_act_fns", ["silu"]),
      ("decoder_act_fns", []), ("decoder_norm_types", ["rms_norm", "rms_norm"]),
      ("decoder_layers_per_block", [0, 0, 0]), ("decoder_layers_per_block", [1, 0, 1]),
      ("encoder_layers_per_block", [0, 0, 1]), ("decoder_layers_per_block", []),
      ("decoder_layers_per_block", [0, 1, 1, 1]), ("decoder_layers_per_block", 0),
      ("encoder_layers_per_block", [1, 1, -1]), ("decoder_block_types", ["ResBlock"]),
    ] as [(String, MetadataValue)])
  func refusesNonsense(_ key: String, _ value: MetadataValue) throws {
    let document = try SampleConfigurations.parse(SampleConfigurations.oldAutoencoder)
    let error = #expect(throws: SanaError.self) { try parse(document.replacing(key, with: value)) }
    #expect(error?.code == .invalidConfiguration)
  }
}

/// DC-AE-Lite: a decoder of residual blocks, without its outermost stage.
@Suite struct LiteAutoencoderConfigurationTests {
  private func parse(
    _ changes: (String, MetadataValue?)...
  ) throws -> AutoencoderConfiguration {
    var document = try JSONParser.parse(file: Checkpoints.path("lite-tiny") + "/vae/config.json")
    for (key, value) in changes { document = document.replacing(key, with: value) }
    return try AutoencoderConfiguration(official: document, location: "config.json")
  }

  private func tensors(_ configuration: AutoencoderConfiguration) -> [String: [Int]] {
    Dictionary(
      uniqueKeysWithValues: OfficialLayout(.autoencoder(configuration)).officialTensors.map {
        ($0.name, $0.shape)
      })
  }

  @Test func readsAnEmptyStageAndTheLastActivation() throws {
    let configuration = try parse()
    #expect(configuration.decoder.map(\.layers) == [0, 1, 2, 1, 1, 1])
    #expect(configuration.decoder.map(\.block) == Array(repeating: .residual, count: 6))
    #expect(configuration.encoder.map(\.channels) == [4, 8, 8, 16, 16, 32])
    #expect(configuration.outermostDecoderStage == 1)
    #expect(configuration.outermostEncoderStage == 0)
    #expect(configuration.outputActivation == .silu)
    #expect(configuration.compression == 32)
    let tensors = tensors(configuration)
    #expect(tensors["decoder.conv_out.conv.weight"] == [12, 8, 3, 3])
    #expect(tensors["decoder.conv_out.conv.bias"] == [12])
    #expect(tensors["decoder.norm_out.weight"] == [8])
    #expect(tensors["decoder.up_blocks.2.0.conv.weight"] == [32, 16, 3, 3])
    #expect(!tensors.keys.contains { $0.hasPrefix("decoder.up_blocks.0.") })
  }

  @Test func everyStageMayHaveItsOwnEntry() throws {
    let one = try parse()
    for (key, value) in [
      ("decoder_block_types", "ResBlock"), ("decoder_norm_types", "rms_norm"),
      ("decoder_act_fns", "silu"),
    ] as [(String, MetadataValue)] {
      #expect(try parse((key, value)) == one)
      #expect(try parse((key, .array(Array(repeating: value, count: 6)))) == one)
    }
  }

  /// Kernel sizes belong to attention, of which there is none.
  @Test(arguments: [nil, [], [[]], "none", [[5], [5], [5], [5], [5], [4]]] as [MetadataValue?])
  func kernelSizesOfNoAttentionAreNotRead(_ value: MetadataValue?) throws {
    #expect(try parse(("decoder_qkv_multiscales", value)) == parse())
  }

  @Test(
    arguments: [
      ("relu", .relu), ("SiLU", .silu), ("swish", .silu), (nil, .relu),
    ] as [(MetadataValue?, AutoencoderConfiguration.OutputActivation)])
  func lastActivations(
    _ value: MetadataValue?, _ activation: AutoencoderConfiguration.OutputActivation
  ) throws {
    #expect(try parse(("decoder_conv_act_fn", value)).outputActivation == activation)
  }

  @Test func theWidthOfAnEmptyStageMeansNothing() throws {
    let configuration = try parse(("decoder_block_out_channels", [7, 8, 8, 16, 16, 32]))
    #expect(try tensors(configuration) == tensors(parse()))
  }

  @Test func theInnermostStageMayBeEmptyToo() throws {
    let configuration = try parse(("decoder_layers_per_block", [0, 1, 2, 1, 1, 0]))
    #expect(!tensors(configuration).keys.contains { $0.hasPrefix("decoder.up_blocks.5.") })
    #expect(configuration.compression == 32)
  }

  /// The encoder's picture is then halved by its first convolution.
  @Test func theEncodersOutermostStageMayBeEmptyToo() throws {
    let tensors = try tensors(parse(("encoder_layers_per_block", [0, 1, 1, 1, 1, 1])))
    #expect(tensors["encoder.conv_in.conv.weight"] == [8, 3, 3, 3])
    #expect(!tensors.keys.contains { $0.hasPrefix("encoder.down_blocks.0.") })
    let unshuffled = try self.tensors(
      parse(
        ("encoder_layers_per_block", [0, 1, 1, 1, 1, 1]),
        ("downsample_block_type", "pixel_unshuffle")))
    #expect(unshuffled["encoder.conv_in.conv.weight"] == [2, 3, 3, 3])
  }

  @Test func anUpsamplingToThePictureMayInterpolate() throws {
    let configuration = try parse(("upsample_block_type", "interpolate"))
    #expect(tensors(configuration)["decoder.conv_out.conv.weight"] == [3, 8, 3, 3])
    #expect(
      OfficialLayout(.autoencoder(configuration)).rule(
        named: "decoder.conv_out.conv.phases.weight")?
        .shape == [12, 2, 2, 8])
  }
}

@Suite struct SchedulerConfigurationTests {
  private func parse(_ document: MetadataValue) throws -> SchedulerConfiguration {
    try SchedulerConfiguration(official: document, location: "scheduler_config.json")
  }

  @Test func readsEachClass() throws {
    #expect(
      try parse(SampleConfigurations.parse(SampleConfigurations.dpmScheduler))
        == .dpmSolver(flowShift: 3, trainingTimesteps: 1000))
    #expect(
      try parse(["_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0])
        == .flowEuler(shift: 3, trainingTimesteps: 1000))
    #expect(
      try parse(["_class_name": "SCMScheduler", "sigma_data": 0.5, "num_train_timesteps": 500])
        == .consistency(sigmaData: 0.5, trainingTimesteps: 500))
  }

  @Test(
    arguments: [
      ("_class_name", "DDIMScheduler"), ("solver_order", 3), ("algorithm_type", "sde-dpmsolver++"),
      ("prediction_type", "epsilon"), ("use_flow_sigmas", false), ("use_karras_sigmas", true),
      ("thresholding", true), ("final_sigmas_type", "sigma_min"), ("use_dynamic_shifting", true),
    ] as [(String, MetadataValue)])
  func refusesVariants(_ key: String, _ value: MetadataValue) throws {
    let document = try SampleConfigurations.parse(SampleConfigurations.dpmScheduler)
    let error = #expect(throws: SanaError.self) { try parse(document.replacing(key, with: value)) }
    #expect(error?.code == .unsupported)
  }

  @Test func refusesNonsense() throws {
    let document = try SampleConfigurations.parse(SampleConfigurations.dpmScheduler)
    for (key, value) in [
      ("_class_name", nil), ("flow_shift", 0), ("flow_shift", "3"), ("num_train_timesteps", -1),
    ] as [(String, MetadataValue?)] {
      let error = #expect(throws: SanaError.self) {
        try parse(document.replacing(key, with: value))
      }
      #expect(error?.code == .invalidConfiguration)
    }
  }
}
