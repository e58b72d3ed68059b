public import SanaGraph
public import WeightFormats

/// Gemma-2, the text encoder (`transformers.Gemma2Model`): from token ids to the last hidden state.
///
///     ids ─ embedding · sqrt(C) ─┬─ norm ─ attention ─ norm ─(+)─┬─ norm ─ gate·up, down ─ norm ─(+)─ … ─ norm
///                                └──────────────────────────┘  └─────────────────────────────┘
///
/// Only tokens that exist are computed. The attention is causal, so prompts shorter than the
/// longest of their batch are padded on the right with any id, and the padding changes nothing. For
/// the same reason tokens that prompts have in common at their beginning can be computed at another
/// time: a later graph reads their keys and values.
public struct GemmaEncoder: Sendable {
  public let configuration: TextEncoderConfiguration

  public init(_ configuration: TextEncoderConfiguration) {
    self.configuration = configuration
  }

  public struct EncoderGraph: Sendable {
    public let graph: Graph
    /// i32 `[batch, tokens, 1]`
    public let inputIdentifiers: Value
    /// `[batch, tokens, hiddenSize]`, after the final norm
    public let lastHiddenState: Value
  }

  /// Tokens before those of a graph, whose keys and values the text encoder's component holds (`InstructionTensors`).
  package struct EarlierTokens: Hashable, Sendable {
    /// How many come before the graph's first token.
    let count: Int
    /// How many the component holds.
    package let storedCount: Int

    package init(count: Int, storedCount: Int) {
      self.count = count
      self.storedCount = storedCount
    }
  }

  /// - Parameter tokens: length of the longest prompt of the batch.
  /// - Returns: a graph with the values `hidden_states.0` (scaled embedding) to `hidden_states.<layers>` (before the final norm) and
  ///   `last_hidden_state`.
  public func graph(
    tokens: Int, batch: Int, fusion: GraphBuilder.Fusion = .full
  ) -> EncoderGraph {
    graph(tokens: tokens, after: nil, batch: batch, fusion: fusion)
  }

  package func graph(
    tokens: Int, after earlier: EarlierTokens?, batch: Int, fusion: GraphBuilder.Fusion = .full
  ) -> EncoderGraph {
    var builder = GraphBuilder(name: "text encoder \(batch)x\(tokens)", fusion: fusion)
    let root = ModulePath.root
    let width = configuration.hiddenSize
    let identifiers = builder.input(
      "input_ids", .tokens(batch: batch, count: tokens, channels: 1), .i32)
    var stream = builder.embeddingLookup(
      identifiers, table: root["embed_tokens"].weight(configuration.vocabularySize, width),
      scale: Float(Double(width).squareRoot()), name: "hidden_states.0")
    for index in 0..<configuration.layers {
      stream = layer(stream, index, earlier, &builder)
      builder.name(stream, "hidden_states.\(index + 1)")
      builder.endSegment()
    }
    let output = norm(stream, root["norm"], &builder, name: "last_hidden_state")
    return EncoderGraph(
      graph: builder.finish(outputs: [output]), inputIdentifiers: identifiers,
      lastHiddenState: output)
  }

  /// `Gemma2DecoderLayer`: attention and feed-forward, each between two norms, the second before the residual is added.
  private func layer(
    _ input: Value, _ index: Int, _ earlier: EarlierTokens?, _ builder: inout GraphBuilder
  ) -> Value {
    let path = ModulePath.root["layers"][index]
    let normalized = norm(input, path["input_layernorm"], &builder)
    let attended = attention(
      normalized, path["self_attn"], configuration.layerTypes[index],
      after: earlier.map {
        CausalAttention.EarlierPositions(
          keyValue: Parameter(
            InstructionTensors.keyValue(layer: index), [$0.storedCount, keyValueWidth]),
          count: $0.count)
      }, name: Self.queryKeyValueName(layer: index), &builder)
    let stream = norm(
      attended, path["post_attention_layernorm"], &builder, residual: input)
    let fed = feedForward(
      norm(stream, path["pre_feedforward_layernorm"], &builder), path["mlp"], &builder)
    return norm(fed, path["post_feedforward_layernorm"], &builder, residual: stream)
  }

  /// `Gemma2Attention`
  /// - Parameter name: of queries, keys and values.
  package func attention(
    _ input: Value, _ path: ModulePath, _ type: TextEncoderConfiguration.LayerType,
    after earlier: CausalAttention.EarlierPositions? = nil, name: String? = nil,
    _ builder: inout GraphBuilder
  ) -> Value {
    let width = configuration.hiddenSize
    let (heads, keyValueHeads) = (configuration.heads, configuration.keyValueHeads)
    let dimension = configuration.headDimension
    let queryKeyValue = builder.linear(
      input,
      weight: path["qkv_proj"].weight((heads + 2 * keyValueHeads) * dimension, width),
      name: name)
    let attended = builder.causalAttention(
      queryKeyValue, after: earlier, heads: heads, keyValueHeads: keyValueHeads,
      headDimension: dimension,
      scale: Float(1 / configuration.queryPreAttentionScalar.squareRoot()),
      softcap: configuration.attentionSoftcap.map(Float.init),
      window: type == .sliding ? configuration.slidingWindow : nil,
      ropeTheta: configuration.ropeTheta)
    return builder.linear(
      attended, weight: path["o_proj"].weight(width, heads * dimension))
  }

  /// The name of a layer's queries, keys and values.
  package static func queryKeyValueName(layer: Int) -> String {
    "layers.\(layer).self_attn.qkv_proj"
  }

  /// Channels of a position's keys and values.
  package var keyValueWidth: Int { 2 * configuration.keyValueHeads * configuration.headDimension }

  /// The keys and values among queries, keys and values, `[tokens, keyValueWidth]`.
  package func keyValues(of queryKeyValue: HostTensor) -> [Float] {
    let channels = queryKeyValue.shape.channels
    let values = queryKeyValue.values
    return (0..<queryKeyValue.shape.rows).flatMap {
      values[($0 + 1) * channels - keyValueWidth..<($0 + 1) * channels]
    }
  }

  /// `Gemma2MLP`: `down(gelu(gate(x)) * up(x))`
  package func feedForward(
    _ input: Value, _ path: ModulePath, _ builder: inout GraphBuilder
  ) -> Value {
    let (width, hidden) = (configuration.hiddenSize, configuration.intermediateSize)
    let gateUp = builder.linear(
      input, weight: path["gate_up_proj"].weight(2 * hidden, width))
    let gated = builder.gatedLinearUnit(gateUp, activation: .geluTanh)
    return builder.linear(gated, weight: path["down_proj"].weight(width, hidden))
  }

  /// `Gemma2RMSNorm`, which multiplies by `1 + weight`.
  package func norm(
    _ input: Value, _ path: ModulePath, _ builder: inout GraphBuilder, residual: Value? = nil,
    name: String? = nil
  ) -> Value {
    builder.rmsNorm(
      input, weight: path.weight(configuration.hiddenSize), weightOffset: 1,
      epsilon: Float(configuration.normEpsilon), residual: residual, name: name)
  }
}
