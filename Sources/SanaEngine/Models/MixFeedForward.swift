package import SanaGraph

/// `GLUMBConv`, the feed-forward of Sana's Mix-FFN (paper, section 2.3) and of DC-AE's EfficientViT blocks:
///
///     x ─ 1x1, SiLU on all channels ─ depthwise 3x3 ─ first half · SiLU(second half) ─ 1x1
package struct MixFeedForward: Sendable {
  package let path: ModulePath
  package let channels: Int
  /// Channels after gating.
  package let hidden: Int

  package init(path: ModulePath, channels: Int, hidden: Int) {
    self.path = path
    self.channels = channels
    self.hidden = hidden
  }

  /// - Parameter name: of the last convolution's result, before gate and residual.
  package func apply(
    _ input: Value, _ builder: inout GraphBuilder, gate: ModulationRow? = nil,
    residual: Value? = nil, name: String? = nil
  ) -> Value {
    let inverted = path["conv_inverted"]
    let expanded = builder.linear(
      input, weight: inverted.weight(2 * hidden, channels), bias: inverted.bias(2 * hidden),
      activation: .silu)
    let depthwise = path["conv_depth"]
    let gated = builder.depthwiseConvolution(
      expanded, weight: depthwise.weight(3, 3, 2 * hidden), bias: depthwise.bias(2 * hidden),
      gatedLinearUnit: true)
    return builder.linear(
      gated, weight: path["conv_point"].weight(channels, hidden), gate: gate, residual: residual,
      name: name)
  }
}
