public import Support
public import WeightFormats

/// A named choice of encodings for a whole model.
///
/// Vectors (norm weights, biases) and modulation tables stay f32 in every recipe: they are less than 0.1 % of the bytes.
/// What no rule names gets the recipe's base encoding.
public struct Recipe: Hashable, Sendable {
  public let name: String
  /// One line for help texts.
  public let summary: String
  /// What tensors of two axes or more become unless a rule says otherwise.
  public let base: TensorEncoding
  /// Later rules win.
  public let rules: [QuantizationRule]

  /// The matrix products of an LDT block that the paper computes in int8 (arXiv 2410.10629, section
  /// 4): everything but the keys and values of cross-attention. Those, embeddings, depthwise
  /// convolutions and the last projection stay 16-bit.
  static let transformerProducts =
    #"^transformer/transformer_blocks\.\d+\."#
    + #"(attn1\.to_qkv|attn[12]\.to_out\.0|attn2\.to_q|ff\.conv_inverted|ff\.conv_point)\.weight$"#

  /// Those of them that follow attention. Their input is what int8 codes lose most of, and they are
  /// 15 % of the products.
  static let transformerOutputs =
    #"^transformer/transformer_blocks\.\d+\.attn[12]\.to_out\.0\.weight$"#

  /// Gemma's matrix products.
  static let textEncoderProducts =
    #"^text-encoder/layers\.\d+\."#
    + #"(self_attn\.(qkv_proj|o_proj)|mlp\.(gate_up_proj|down_proj))\.weight$"#

  /// Gemma's embedding, a row a token. Every layer adds to it, so that its rounding reaches the
  /// captions: a scale for a few columns halves it.
  static let tokenEmbedding = #"^text-encoder/embed_tokens\.weight$"#

  /// The 3x3 convolutions of DC-AE's decoder but the first and the last, and the wide products of the Mix-FFN in its attention blocks.
  /// They are stored in 16 bits and coded, their channels balanced, when they are loaded; codes of codes would lose twice.
  static let decoderBalanced =
    #"^autoencoder/decoder\.up_blocks\.\d+\.\d+\."#
    + #"(conv1|conv2|conv|conv\.phases|conv_out\.conv_inverted)\.weight$"#

  /// What a few large channels would take the range of in int8: the other products of the decoder's attention blocks, and all of the
  /// two inner stages with the upsampling between them, whose errors every later stage enlarges.
  static let decoderProducts =
    #"^autoencoder/decoder\.up_blocks\.(\d+\.\d+\.(attn\.to_qkv|attn\.to_out|conv_out\.conv_point)"#
    + #"|[45]\.\d+\.conv_out\.conv_inverted|4\.0\.(conv|conv\.phases))\.weight$"#

  /// The residual blocks that DC-AE-Lite has in place of the attention blocks of DC-AE's three
  /// inner stages, and the shuffled convolution between two of these: their errors, too, every
  /// later stage enlarges.
  static let decoderInnerConvolutions =
    #"^autoencoder/decoder\.up_blocks\.([345]\.\d+\.(conv1|conv2)|3\.0\.conv)\.weight$"#

  static func weights(
    transformer: TensorTarget, textEncoder: TensorTarget
  ) -> [QuantizationRule] {
    [
      QuantizationRule(builtIn: transformerProducts, transformer),
      QuantizationRule(builtIn: textEncoderProducts, textEncoder),
      QuantizationRule(builtIn: tokenEmbedding, TensorTarget(.int8Grouped(groupSize: 32))),
    ]
  }

  public static let all: [Recipe] = [
    Recipe(name: "f32", summary: "every weight in f32", base: .f32, rules: []),
    Recipe(name: "f16", summary: "every matrix in f16", base: .f16, rules: []),
    Recipe(name: "bf16", summary: "every matrix in bf16", base: .bf16, rules: []),
    Recipe(
      name: "w8a16",
      summary: "int8 weights in the transformer's and text encoder's products, float activations",
      base: .f16,
      rules: weights(
        transformer: TensorTarget(.int8PerChannel), textEncoder: TensorTarget(.int8PerChannel))),
    Recipe(
      name: "w8a8", summary: "as w8a16, with int8 activations, one scale a token",
      base: .f16,
      rules: weights(
        transformer: TensorTarget(.int8PerChannel, activations: .int8PerToken),
        textEncoder: TensorTarget(.int8PerChannel, activations: .int8PerToken))
        + [
          QuantizationRule(
            builtIn: transformerOutputs,
            TensorTarget(.int8PerChannel, activations: ActivationEncoding(planes: 2))),
          QuantizationRule(
            builtIn: decoderBalanced, TensorTarget(.f16, activations: .int8PerToken)),
          QuantizationRule(builtIn: decoderProducts, TensorTarget(.bf16)),
          QuantizationRule(builtIn: decoderInnerConvolutions, TensorTarget(.f16)),
        ]),
    Recipe(
      name: "w4a16", summary: "as w8a16, with int4 weights in groups of 32", base: .f16,
      rules: weights(
        transformer: TensorTarget(.int4Grouped(groupSize: 32)),
        textEncoder: TensorTarget(.int4Grouped(groupSize: 32)))),
  ]

  /// - Throws: `.invalidArgument` listing the recipes when there is none of this name.
  public static func named(_ name: String) throws(SanaError) -> Recipe {
    guard let recipe = all.first(where: { $0.name == name }) else {
      throw SanaError(
        .invalidArgument, "there is no recipe '\(name.abbreviated)'",
        remedy: "choose one of \(all.map(\.name).joined(separator: ", "))")
    }
    return recipe
  }
}
