extension FusionRules {
  /// `diffusers.SanaTransformer2DModel`.
  mutating func appendTransformer(_ configuration: TransformerConfiguration) {
    let width = configuration.width

    pointwiseConvolution(
      "patch_embed.proj", inputs: configuration.inputChannels, outputs: width, bias: true)
    timeEmbedding(configuration)
    linear(
      "caption_projection.linear_1", inputs: configuration.captionChannels, outputs: width,
      bias: true)
    linear("caption_projection.linear_2", inputs: width, outputs: width, bias: true)
    parameter("caption_norm.weight", [width])
    for index in 0..<configuration.layers {
      transformerBlock("transformer_blocks.\(index)", configuration)
    }
    parameter("scale_shift_table", [2, width])
    linear("proj_out", inputs: width, outputs: configuration.outputChannels, bias: true)
  }

  /// `AdaLayerNormSingle`, or `SanaCombinedTimestepGuidanceEmbeddings` where the guidance scale is
  /// an input.
  private mutating func timeEmbedding(_ configuration: TransformerConfiguration) {
    let width = configuration.width
    let sinusoids = 256
    let embedder = "time_embed.timestep_embedder"
    let officialEmbedder =
      configuration.embedsGuidance ? embedder : "time_embed.emb.timestep_embedder"
    linear(
      "\(embedder).linear_1", inputs: sinusoids, outputs: width, bias: true,
      officialName: "\(officialEmbedder).linear_1")
    linear(
      "\(embedder).linear_2", inputs: width, outputs: width, bias: true,
      officialName: "\(officialEmbedder).linear_2")
    if configuration.embedsGuidance {
      linear(
        "time_embed.guidance_embedder.linear_1", inputs: sinusoids, outputs: width, bias: true)
      linear("time_embed.guidance_embedder.linear_2", inputs: width, outputs: width, bias: true)
    }
    linear("time_embed.linear", inputs: width, outputs: 6 * width, bias: true)
  }

  private mutating func transformerBlock(
    _ block: String, _ configuration: TransformerConfiguration
  ) {
    let width = configuration.width
    let crossWidth = configuration.crossAttentionHeads * configuration.crossAttentionHeadDimension

    parameter("\(block).scale_shift_table", [6, width])
    let attention = "\(block).attn1"
    concatenatedLinear(
      "\(attention).to_qkv",
      of: [
        ("\(attention).to_q", width), ("\(attention).to_k", width), ("\(attention).to_v", width),
      ], inputs: width, bias: false)
    if configuration.normalizesQueriesAndKeys {
      parameter("\(attention).norm_q.weight", [width])
      parameter("\(attention).norm_k.weight", [width])
    }
    linear("\(attention).to_out.0", inputs: width, outputs: width, bias: true)

    let crossAttention = "\(block).attn2"
    linear("\(crossAttention).to_q", inputs: width, outputs: crossWidth, bias: true)
    concatenatedLinear(
      "\(crossAttention).to_kv",
      of: [("\(crossAttention).to_k", crossWidth), ("\(crossAttention).to_v", crossWidth)],
      inputs: width, bias: true)
    if configuration.normalizesQueriesAndKeys {
      parameter("\(crossAttention).norm_q.weight", [crossWidth])
      parameter("\(crossAttention).norm_k.weight", [crossWidth])
    }
    linear("\(crossAttention).to_out.0", inputs: crossWidth, outputs: width, bias: true)

    gatedConvolution("\(block).ff", channels: width, hidden: configuration.feedForwardWidth)
  }
}
