/// A number that a configuration states and that the shape of some tensor tells too.
struct ConfigurationNumber {
  /// As `config.json` names it: `caption_channels`, `num_attention_heads * attention_head_dim`.
  let key: String
  let value: Int
  /// The official tensor, and the axis of its shape that is `value` long, or a whole multiple of
  /// it.
  let tensor: String
  let axis: Int
  let multiple: Int

  init(_ key: String, _ value: Int, tensor: String, axis: Int, times multiple: Int = 1) {
    self.key = key
    self.value = value
    self.tensor = tensor
    self.axis = axis
    self.multiple = multiple
  }

  /// All that a configuration states and one look at a tensor can tell.
  static func all(of configuration: ComponentConfiguration) -> [ConfigurationNumber] {
    switch configuration {
    case .textEncoder(let configuration): numbers(of: configuration)
    case .transformer(let configuration): numbers(of: configuration)
    case .autoencoder(let configuration): numbers(of: configuration)
    }
  }

  private static func numbers(of configuration: TextEncoderConfiguration) -> [ConfigurationNumber] {
    let attention = "layers.0.self_attn"
    return [
      .init("vocab_size", configuration.vocabularySize, tensor: "embed_tokens.weight", axis: 0),
      .init("hidden_size", configuration.hiddenSize, tensor: "embed_tokens.weight", axis: 1),
      .init(
        "num_attention_heads * head_dim", configuration.heads * configuration.headDimension,
        tensor: "\(attention).q_proj.weight", axis: 0),
      .init(
        "num_key_value_heads * head_dim",
        configuration.keyValueHeads * configuration.headDimension,
        tensor: "\(attention).k_proj.weight", axis: 0),
      .init(
        "intermediate_size", configuration.intermediateSize, tensor: "layers.0.mlp.up_proj.weight",
        axis: 0),
    ]
  }

  private static func numbers(of configuration: TransformerConfiguration) -> [ConfigurationNumber] {
    let block = "transformer_blocks.0"
    return [
      .init(
        "num_attention_heads * attention_head_dim", configuration.width,
        tensor: "patch_embed.proj.weight", axis: 0),
      .init("in_channels", configuration.inputChannels, tensor: "patch_embed.proj.weight", axis: 1),
      .init("out_channels", configuration.outputChannels, tensor: "proj_out.weight", axis: 0),
      .init(
        "caption_channels", configuration.captionChannels,
        tensor: "caption_projection.linear_1.weight", axis: 1),
      .init(
        "num_cross_attention_heads * cross_attention_head_dim",
        configuration.crossAttentionHeads * configuration.crossAttentionHeadDimension,
        tensor: "\(block).attn2.to_q.weight", axis: 0),
      .init(
        "mlp_ratio * num_attention_heads * attention_head_dim", configuration.feedForwardWidth,
        tensor: "\(block).ff.conv_inverted.weight", axis: 0, times: 2),
    ]
  }

  private static func numbers(of configuration: AutoencoderConfiguration) -> [ConfigurationNumber] {
    [
      .init("in_channels", configuration.imageChannels, tensor: "encoder.conv_in.weight", axis: 1),
      .init(
        "latent_channels", configuration.latentChannels, tensor: "decoder.conv_in.weight", axis: 1),
      .init(
        "encoder_block_out_channels[0]", configuration.encoder.first?.channels ?? 0,
        tensor: "encoder.conv_in.weight", axis: 0),
      .init(
        "decoder_block_out_channels[\(configuration.decoder.count - 1)]",
        configuration.decoder.last?.channels ?? 0, tensor: "decoder.conv_in.weight", axis: 0),
    ]
  }
}
