package import SanaGraph
package import WeightFormats

/// One block of the Linear Diffusion Transformer (`SanaTransformerBlock`; paper, figure 5):
///
///     x ─┬─ norm, modulate ─ linear attention ─ gate ─(+)─┬─ cross-attention ─(+)─┬─ norm, modulate ─ Mix-FFN ─ gate ─(+)
///        └────────────────────────────────────────────┘  └────────────────────┘  └─────────────────────────────────┘
///
/// The cross-attention's keys and values depend only on the prompt; they are made by `keyValue` in a graph of their own.
package struct TransformerBlock: Sendable {
  private let configuration: TransformerConfiguration
  private let path: ModulePath
  /// What the block's values are called: `block0`.
  private let name: String

  /// The order of the vectors in the modulation.
  private enum Modulation: Int, CaseIterable {
    case attentionShift, attentionScale, attentionGate
    case feedForwardShift, feedForwardScale, feedForwardGate
  }

  package init(_ configuration: TransformerConfiguration, path: ModulePath, name: String) {
    self.configuration = configuration
    self.path = path
    self.name = name
  }

  private var width: Int { configuration.width }
  private var crossAttentionWidth: Int {
    configuration.crossAttentionHeads * configuration.crossAttentionHeadDimension
  }

  /// Keys and values of the captions, normalized where the model does so.
  /// - Parameter captions: `[batch, tokens, width]`
  /// - Returns: `[batch, tokens, 2 * cross-attention width]`
  package func keyValue(_ captions: Value, _ builder: inout GraphBuilder) -> Value {
    let attention = path["attn2"]
    let keyValue = builder.linear(
      captions, weight: attention["to_kv"].weight(2 * crossAttentionWidth, width),
      bias: attention["to_kv"].bias(2 * crossAttentionWidth))
    guard configuration.normalizesQueriesAndKeys else { return keyValue }
    return norm(keyValue, attention["norm_k"], 0..<crossAttentionWidth, &builder)
  }

  /// - Parameters:
  ///   - input: `[batch, h, w, width]`
  ///   - modulation: `time_embed.0`, `[batch, 1, 6 * width]`
  package func apply(
    _ input: Value, modulation: Value, keyValue: Value, tokenCounts: Value,
    _ builder: inout GraphBuilder
  ) -> Value {
    let table = builder.addTable(
      modulation, table: path.parameter("scale_shift_table", Modulation.allCases.count, width))
    func row(_ part: Modulation) -> ModulationRow { ModulationRow(table, part.rawValue) }

    var stream = input
    let attentionInput = builder.modulatedLayerNorm(
      stream, shift: row(.attentionShift), scale: row(.attentionScale),
      epsilon: Float(configuration.normEpsilon), name: "\(name).attn1.in")
    stream = linearAttention(
      attentionInput, gate: row(.attentionGate), residual: stream, &builder)
    builder.name(stream, "\(name).attn2.in")

    stream = crossAttention(
      stream, keyValue: keyValue, tokenCounts: tokenCounts, residual: stream, &builder)

    let feedForwardInput = builder.modulatedLayerNorm(
      stream, shift: row(.feedForwardShift), scale: row(.feedForwardScale),
      epsilon: Float(configuration.normEpsilon), name: "\(name).ff.in")
    let feedForward = MixFeedForward(
      path: path["ff"], channels: width, hidden: configuration.feedForwardWidth)
    stream = feedForward.apply(
      feedForwardInput, &builder, gate: row(.feedForwardGate), residual: stream,
      name: "\(name).ff")
    builder.name(stream, name)
    return stream
  }

  /// ReLU linear attention (paper, section 2.2), `attn1`.
  package func linearAttention(
    _ input: Value, gate: ModulationRow? = nil, residual: Value? = nil,
    _ builder: inout GraphBuilder
  ) -> Value {
    let attention = path["attn1"]
    var queryKeyValue = builder.linear(
      input, weight: attention["to_qkv"].weight(3 * width, width))
    if configuration.normalizesQueriesAndKeys {
      queryKeyValue = norm(queryKeyValue, attention["norm_q"], 0..<width, &builder)
      queryKeyValue = norm(queryKeyValue, attention["norm_k"], width..<2 * width, &builder)
    }
    let attended = builder.reluAttention(
      queryKeyValue, heads: configuration.heads, headDimension: configuration.headDimension,
      layout: .blocks, form: .linear)
    let output = attention["to_out.0"]
    return builder.linear(
      attended, weight: output.weight(width, width), bias: output.bias(width), gate: gate,
      residual: residual, name: "\(name).attn1")
  }

  /// Softmax attention over the captions, `attn2`. It sees the stream as it is, neither normalized nor modulated.
  package func crossAttention(
    _ input: Value, keyValue: Value, tokenCounts: Value, residual: Value? = nil,
    _ builder: inout GraphBuilder
  ) -> Value {
    let attention = path["attn2"]
    var query = builder.linear(
      input, weight: attention["to_q"].weight(crossAttentionWidth, width),
      bias: attention["to_q"].bias(crossAttentionWidth))
    if configuration.normalizesQueriesAndKeys {
      query = norm(query, attention["norm_q"], 0..<crossAttentionWidth, &builder)
    }
    let attended = builder.crossAttention(
      query: query, keyValue: keyValue, tokenCounts: tokenCounts,
      heads: configuration.crossAttentionHeads,
      headDimension: configuration.crossAttentionHeadDimension)
    let output = attention["to_out.0"]
    return builder.linear(
      attended, weight: output.weight(width, crossAttentionWidth), bias: output.bias(width),
      residual: residual, name: "\(name).attn2")
  }

  /// RMS norm of queries or keys over all heads together (SANA-1.5).
  private func norm(
    _ input: Value, _ path: ModulePath, _ channels: Range<Int>, _ builder: inout GraphBuilder
  ) -> Value {
    builder.rmsNorm(
      input, weight: path.weight(channels.count), epsilon: 1e-5, channels: channels)
  }
}
