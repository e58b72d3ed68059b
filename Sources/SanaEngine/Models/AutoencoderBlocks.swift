package import SanaGraph
package import WeightFormats

/// DC-AE's residual block (`ResBlock`): 3x3, SiLU, 3x3, norm, residual.
package struct ResidualBlock: Sendable {
  private let path: ModulePath
  private let channels: Int

  package init(path: ModulePath, channels: Int) {
    self.path = path
    self.channels = channels
  }

  package func apply(_ input: Value, _ builder: inout GraphBuilder) -> Value {
    let first = path["conv1"]
    let hidden = builder.convolution(
      input, weight: first.weight(channels, 3, 3, channels), bias: first.bias(channels),
      activation: .silu)
    let output = builder.convolution(
      hidden, weight: path["conv2"].weight(channels, 3, 3, channels))
    return builder.channelNorm(output, path["norm"], residual: input)
  }
}

/// DC-AE's `EfficientViTBlock`: multi-scale ReLU attention (`SanaMultiscaleLinearAttention`), then Mix-FFN, each with norm and
/// residual.
package struct EfficientViTBlock: Sendable {
  private let path: ModulePath
  private let channels: Int
  private let headDimension: Int
  private let multiscaleKernels: [Int]

  package init(path: ModulePath, channels: Int, headDimension: Int, multiscaleKernels: [Int]) {
    self.path = path
    self.channels = channels
    self.headDimension = headDimension
    self.multiscaleKernels = multiscaleKernels
  }

  package func apply(_ input: Value, _ builder: inout GraphBuilder) -> Value {
    let attended = attention(input, path["attn"], &builder)
    let feedForward = MixFeedForward(
      path: path["conv_out"], channels: channels, hidden: 4 * channels)
    return builder.channelNorm(
      feedForward.apply(attended, &builder), path["conv_out.norm"], residual: attended)
  }

  /// Queries, keys and values at the scale of the image, and copies of them gathered by depthwise convolutions, attend side by
  /// side: each scale adds as many heads as the first has.
  package func attention(
    _ input: Value, _ path: ModulePath, _ builder: inout GraphBuilder
  ) -> Value {
    let heads = channels / headDimension
    let inner = heads * headDimension
    let queryKeyValue = builder.linear(input, weight: path["to_qkv"].weight(3 * inner, channels))
    var scales = [queryKeyValue]
    for (index, kernel) in multiscaleKernels.enumerated() {
      let scale = path["to_qkv_multiscale"][index]
      let gathered = builder.depthwiseConvolution(
        queryKeyValue, weight: scale["proj_in"].weight(kernel, kernel, 3 * inner))
      scales.append(
        builder.groupedLinear(
          gathered, weight: scale["proj_out"].weight(3 * inner, headDimension),
          groups: 3 * heads))
    }
    let all = scales.count == 1 ? queryKeyValue : builder.concatenateChannels(scales)
    let attended = builder.reluAttention(
      all, heads: heads * scales.count, headDimension: headDimension, layout: .triples,
      form: builder.shape(input).positions > headDimension ? .linear : .quadratic)
    let output = builder.linear(
      attended, weight: path["to_out"].weight(channels, inner * scales.count))
    return builder.channelNorm(output, path["norm_out"], residual: input)
  }
}

/// Half the size (`DCDownBlock2d`).
package struct DownsamplingBlock: Sendable {
  private let path: ModulePath
  private let outputChannels: Int
  private let kind: AutoencoderConfiguration.Downsampling

  package init(
    path: ModulePath, outputChannels: Int, kind: AutoencoderConfiguration.Downsampling
  ) {
    self.path = path
    self.outputChannels = outputChannels
    self.kind = kind
  }

  /// With the shortcut: pixels folded into channels, groups of which are averaged.
  package func apply(_ input: Value, _ builder: inout GraphBuilder) -> Value {
    builder.averageChannels(input, factor: 2, residual: convolve(input, &builder))
  }

  package func convolve(_ input: Value, _ builder: inout GraphBuilder) -> Value {
    let inputChannels = builder.shape(input).channels
    let convolution = path["conv"]
    switch kind {
    case .convolution:
      return builder.convolution(
        input, weight: convolution.weight(outputChannels, 3, 3, inputChannels),
        bias: convolution.bias(outputChannels), stride: 2)
    case .pixelUnshuffle:
      return builder.pixelUnshuffle(
        builder.convolution(
          input, weight: convolution.weight(outputChannels / 4, 3, 3, inputChannels),
          bias: convolution.bias(outputChannels / 4)))
    }
  }
}

/// Twice the size (`DCUpBlock2d`).
package struct UpsamplingBlock: Sendable {
  private let path: ModulePath
  private let outputChannels: Int
  private let kind: AutoencoderConfiguration.Upsampling

  package init(path: ModulePath, outputChannels: Int, kind: AutoencoderConfiguration.Upsampling) {
    self.path = path
    self.outputChannels = outputChannels
    self.kind = kind
  }

  /// With the shortcut: channels repeated, then unfolded into pixels.
  package func apply(_ input: Value, _ builder: inout GraphBuilder) -> Value {
    builder.duplicateChannels(input, factor: 2, residual: convolve(input, &builder))
  }

  package func convolve(_ input: Value, _ builder: inout GraphBuilder) -> Value {
    let inputChannels = builder.shape(input).channels
    let convolution = path["conv"]
    switch kind {
    case .interpolate:
      return builder.upsampleConvolution(
        input, weight: convolution["phases"].weight(4 * outputChannels, 2, 2, inputChannels),
        bias: convolution.bias(outputChannels))
    case .pixelShuffle:
      return builder.pixelShuffle(
        builder.convolution(
          input, weight: convolution.weight(4 * outputChannels, 3, 3, inputChannels),
          bias: convolution.bias(4 * outputChannels)))
    }
  }
}

extension GraphBuilder {
  /// DC-AE's norm: RMS over the channels of each pixel, with weight and bias.
  package mutating func channelNorm(
    _ input: Value, _ path: ModulePath, residual: Value? = nil
  ) -> Value {
    let channels = shape(input).channels
    return rmsNorm(
      input, weight: path.weight(channels), bias: path.bias(channels), epsilon: 1e-5,
      residual: residual)
  }
}

extension AutoencoderConfiguration {
  /// A block of a stage, appended to the graph.
  func apply(
    _ stage: Stage, _ input: Value, _ path: ModulePath, _ builder: inout GraphBuilder
  ) -> Value {
    switch stage.block {
    case .residual:
      ResidualBlock(path: path, channels: stage.channels).apply(input, &builder)
    case .efficientViT:
      EfficientViTBlock(
        path: path, channels: stage.channels, headDimension: attentionHeadDimension,
        multiscaleKernels: stage.multiscaleKernels
      ).apply(input, &builder)
    }
  }
}
