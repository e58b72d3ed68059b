extension FusionRules {
  /// `transformers.Gemma2Model`.
  mutating func appendTextEncoder(_ configuration: TextEncoderConfiguration) {
    let width = configuration.hiddenSize
    let queries = configuration.heads * configuration.headDimension
    let keys = configuration.keyValueHeads * configuration.headDimension
    let hidden = configuration.intermediateSize

    parameter("embed_tokens.weight", [configuration.vocabularySize, width])
    for index in 0..<configuration.layers {
      let layer = "layers.\(index)"
      let attention = "\(layer).self_attn"
      parameter("\(layer).input_layernorm.weight", [width])
      concatenatedLinear(
        "\(attention).qkv_proj",
        of: [
          ("\(attention).q_proj", queries), ("\(attention).k_proj", keys),
          ("\(attention).v_proj", keys),
        ], inputs: width, bias: false)
      linear("\(attention).o_proj", inputs: queries, outputs: width, bias: false)
      parameter("\(layer).post_attention_layernorm.weight", [width])
      parameter("\(layer).pre_feedforward_layernorm.weight", [width])
      concatenatedLinear(
        "\(layer).mlp.gate_up_proj",
        of: [("\(layer).mlp.gate_proj", hidden), ("\(layer).mlp.up_proj", hidden)],
        inputs: width, bias: false)
      linear("\(layer).mlp.down_proj", inputs: hidden, outputs: width, bias: false)
      parameter("\(layer).post_feedforward_layernorm.weight", [width])
    }
    parameter("norm.weight", [width])
  }
}
