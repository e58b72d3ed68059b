public import Support

extension TextEncoderConfiguration {
  /// Reads the `config.json` of a Gemma-2 text encoder, of transformers 4 (flat `rope_theta`, no
  /// `layer_types`) or 5 (`rope_parameters`). Absent keys have the defaults of
  /// `transformers.Gemma2Config`.
  /// - Parameter location: the file's name for error messages.
  /// - Throws: `.invalidConfiguration` naming the key, `.unsupported` naming the variant.
  public init(official document: MetadataValue, location: String) throws(SanaError) {
    let reader = try ConfigurationReader(document, location: location)
    try reader.require("model_type", is: "gemma2", default: "gemma2")
    try reader.require("attention_bias", is: false, default: false)
    try reader.require("use_bidirectional_attention", is: false, default: false)
    try reader.require(
      "hidden_activation", is: "gelu_pytorch_tanh", default: "gelu_pytorch_tanh")

    let layers = try reader.integer("num_hidden_layers", in: 1...1024)
    let heads = try reader.integer("num_attention_heads", in: 1...1024)
    let keyValueHeads = try reader.integer("num_key_value_heads", in: 1...1024)
    guard heads % keyValueHeads == 0 else {
      throw reader.invalid(
        "'num_attention_heads' (\(heads)) is not a multiple of 'num_key_value_heads' (\(keyValueHeads))"
      )
    }
    let headDimension = try reader.integer("head_dim", default: 256, in: 2...4096)
    guard headDimension % 2 == 0 else {
      throw reader.invalid("'head_dim' (\(headDimension)) is odd, which rotary embeddings forbid")
    }
    let attentionSoftcap =
      if reader.document["attn_logit_softcapping"] == .null {
        Double?.none
      } else {
        try reader.number("attn_logit_softcapping", default: 50, in: 1e-3...1e6)
      }
    let layerTypes = try Self.layerTypes(reader, count: layers)
    let slidingWindow =
      if layerTypes.contains(.sliding) {
        try reader.integer("sliding_window", in: 1...1 << 30)
      } else {
        try reader.integer("sliding_window", default: 4096, in: 1...1 << 30)
      }
    self.init(
      vocabularySize: try reader.integer("vocab_size", in: 1...1 << 24),
      hiddenSize: try reader.integer("hidden_size", in: 1...1 << 16),
      intermediateSize: try reader.integer("intermediate_size", in: 1...1 << 20),
      heads: heads, keyValueHeads: keyValueHeads, headDimension: headDimension,
      queryPreAttentionScalar: try reader.number(
        "query_pre_attn_scalar", default: 256, in: 1e-3...1e6),
      attentionSoftcap: attentionSoftcap,
      slidingWindow: slidingWindow,
      layerTypes: layerTypes,
      normEpsilon: try reader.number("rms_norm_eps", default: 1e-6, in: 0...1),
      ropeTheta: try Self.ropeTheta(reader),
      maximumPositions: try reader.integer(
        "max_position_embeddings", default: Self.standardPositions, in: 1...1 << 20))
  }

  private static func layerTypes(
    _ reader: ConfigurationReader, count: Int
  ) throws(SanaError) -> [LayerType] {
    guard reader.value("layer_types") != nil else {
      return (0..<count).map { $0 % 2 == 0 ? .sliding : .full }
    }
    let values = try reader.array("layer_types")
    guard values.count == count else {
      throw reader.invalid(
        "'layer_types' has \(values.count) entries for \(count) layers ('num_hidden_layers')")
    }
    var types: [LayerType] = []
    for value in values {
      guard let type = value.stringValue.flatMap(LayerType.init(rawValue:)) else {
        throw reader.unsupported("layer_types", value)
      }
      types.append(type)
    }
    return types
  }

  private static func ropeTheta(_ reader: ConfigurationReader) throws(SanaError) -> Double {
    let range = 1.0...1e12
    if let scaling = reader.value("rope_scaling") {
      throw reader.unsupported("rope_scaling", scaling)
    }
    guard let parameters = reader.value("rope_parameters") else {
      return try reader.number("rope_theta", default: 10000, in: range)
    }
    let inner = try ConfigurationReader(
      parameters, location: "\(reader.location) (rope_parameters)")
    try inner.require("rope_type", is: "default", default: "default")
    return try inner.number("rope_theta", in: range)
  }
}
