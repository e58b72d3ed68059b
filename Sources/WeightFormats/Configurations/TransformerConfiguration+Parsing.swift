public import Support

extension TransformerConfiguration {
  /// Reads the `config.json` of `diffusers.SanaTransformer2DModel`. Absent keys have that class's
  /// defaults, so that the files of the first releases, which know no query-key norm and no
  /// guidance embedding, mean what they meant.
  /// - Parameter location: the file's name for error messages.
  /// - Throws: `.invalidConfiguration` naming the key, `.unsupported` naming the variant.
  public init(official document: MetadataValue, location: String) throws(SanaError) {
    let reader = try ConfigurationReader(document, location: location)
    try reader.require("patch_size", is: 1, default: 1)
    try reader.require("attention_bias", is: false, default: false)
    try reader.require("norm_elementwise_affine", is: false, default: false)

    let normalizesQueriesAndKeys: Bool
    switch reader.value("qk_norm") {
    case nil: normalizesQueriesAndKeys = false
    case "rms_norm_across_heads": normalizesQueriesAndKeys = true
    case let value?: throw reader.unsupported("qk_norm", value)
    }

    let channels = 1...4096
    let inputChannels = try reader.integer("in_channels", default: 32, in: channels)
    var outputChannels = try reader.integer("out_channels", default: inputChannels, in: 0...4096)
    // `out_channels or in_channels`: Python takes a zero for an absent value.
    if outputChannels == 0 { outputChannels = inputChannels }

    self.init(
      inputChannels: inputChannels,
      outputChannels: outputChannels,
      layers: try reader.integer("num_layers", default: 20, in: 1...1024),
      heads: try reader.integer("num_attention_heads", default: 70, in: 1...1024),
      headDimension: try reader.integer("attention_head_dim", default: 32, in: 1...1024),
      crossAttentionHeads: try reader.integer(
        "num_cross_attention_heads", default: 20, in: 1...1024),
      crossAttentionHeadDimension: try reader.integer(
        "cross_attention_head_dim", default: 112, in: 1...1024),
      captionChannels: try reader.integer("caption_channels", default: 2304, in: 1...1 << 16),
      feedForwardRatio: try reader.number("mlp_ratio", default: 2.5, in: 1e-3...64),
      normEpsilon: try reader.number("norm_eps", default: 1e-6, in: 0...1),
      normalizesQueriesAndKeys: normalizesQueriesAndKeys,
      embedsGuidance: try reader.bool("guidance_embeds", default: false),
      guidanceEmbeddingScale: try reader.number(
        "guidance_embeds_scale", default: 0.1, in: -1e6...1e6),
      sampleSize: try reader.integer("sample_size", default: 32, in: 1...1 << 14),
      positionInterpolationScale: reader.value("interpolation_scale") == nil
        ? nil : try reader.number("interpolation_scale", in: 1e-6...1e6),
      timestepScale: try reader.number("timestep_scale", default: 1, in: -1e6...1e6))

    guard width <= 1 << 16, crossAttentionHeads * crossAttentionHeadDimension <= 1 << 16 else {
      throw reader.invalid("the attention heads together are wider than 65536 channels")
    }
    guard feedForwardWidth >= 1 else {
      throw reader.invalid("'mlp_ratio' (\(feedForwardRatio)) leaves no feed-forward channels")
    }
    if reader.document["cross_attention_dim"] == .null {
      throw reader.unsupported("cross_attention_dim", .null)
    }
    let crossAttentionWidth = try reader.integer(
      "cross_attention_dim", default: 2240, in: 1...1 << 16)
    guard crossAttentionWidth == width else {
      throw reader.invalid(
        "'cross_attention_dim' (\(crossAttentionWidth)) differs from the width of the caption projection (\(width))"
      )
    }
    guard positionInterpolationScale == nil || width % 4 == 0 else {
      throw reader.invalid(
        "a position embedding needs a width divisible by 4, not \(width) ('interpolation_scale')")
    }
  }
}
