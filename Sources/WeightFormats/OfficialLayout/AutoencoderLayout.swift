extension FusionRules {
  /// `diffusers.AutoencoderDC`, encoder and decoder.
  mutating func appendAutoencoder(_ configuration: AutoencoderConfiguration) {
    appendEncoder(configuration)
    appendDecoder(configuration)
  }

  private mutating func appendEncoder(_ configuration: AutoencoderConfiguration) {
    let stages = configuration.encoder
    let first = configuration.outermostEncoderStage
    guard let innermost = stages.last else { return }
    if first == 0 {
      convolution3x3(
        "encoder.conv_in", inputs: configuration.imageChannels, outputs: stages[0].channels)
    } else {
      downsampling(
        "encoder.conv_in.conv", inputs: configuration.imageChannels,
        outputs: stages[first].channels, configuration.downsampling)
    }
    for index in first..<stages.count {
      let stage = stages[index]
      let name = "encoder.down_blocks.\(index)"
      for layer in 0..<stage.layers {
        block("\(name).\(layer)", stage, configuration)
      }
      if index + 1 < stages.count {
        downsampling(
          "\(name).\(stage.layers).conv", inputs: stage.channels,
          outputs: stages[index + 1].channels, configuration.downsampling)
      }
    }
    convolution3x3(
      "encoder.conv_out", inputs: innermost.channels, outputs: configuration.latentChannels)
  }

  private mutating func appendDecoder(_ configuration: AutoencoderConfiguration) {
    let stages = configuration.decoder
    let last = configuration.outermostDecoderStage
    guard let innermost = stages.last else { return }
    convolution3x3(
      "decoder.conv_in", inputs: configuration.latentChannels, outputs: innermost.channels)
    for index in (last..<stages.count).reversed() {
      let stage = stages[index]
      let name = "decoder.up_blocks.\(index)"
      let isInnermost = index + 1 == stages.count
      if !isInnermost {
        upsampling(
          "\(name).0.conv", inputs: stages[index + 1].channels, outputs: stage.channels,
          configuration.upsampling)
      }
      for layer in 0..<stage.layers {
        block("\(name).\(layer + (isInnermost ? 0 : 1))", stage, configuration)
      }
    }
    let channels = stages[last].channels
    parameter("decoder.norm_out.weight", [channels])
    parameter("decoder.norm_out.bias", [channels])
    if last == 0 {
      convolution3x3(
        "decoder.conv_out", inputs: channels, outputs: configuration.imageChannels)
    } else {
      upsampling(
        "decoder.conv_out.conv", inputs: channels, outputs: configuration.imageChannels,
        configuration.upsampling)
    }
  }

  /// `DCDownBlock2d`.
  private mutating func downsampling(
    _ name: String, inputs: Int, outputs: Int, _ method: AutoencoderConfiguration.Downsampling
  ) {
    convolution3x3(
      name, inputs: inputs, outputs: method == .pixelUnshuffle ? outputs / 4 : outputs)
  }

  /// `DCUpBlock2d`.
  private mutating func upsampling(
    _ name: String, inputs: Int, outputs: Int, _ method: AutoencoderConfiguration.Upsampling
  ) {
    switch method {
    case .pixelShuffle:
      convolution3x3(name, inputs: inputs, outputs: 4 * outputs)
    case .interpolate:
      append(
        "\(name).phases.weight", [4 * outputs, 2, 2, inputs], .upsamplePhases,
        from: [OfficialTensor(name: "\(name).weight", shape: [outputs, inputs, 3, 3])])
      parameter("\(name).bias", [outputs])
    }
  }

  private mutating func block(
    _ name: String, _ stage: AutoencoderConfiguration.Stage,
    _ configuration: AutoencoderConfiguration
  ) {
    switch stage.block {
    case .residual: residualBlock(name, channels: stage.channels)
    case .efficientViT:
      efficientViTBlock(name, stage, headDimension: configuration.attentionHeadDimension)
    }
  }

  /// `ResBlock`.
  private mutating func residualBlock(_ name: String, channels: Int) {
    convolution3x3("\(name).conv1", inputs: channels, outputs: channels)
    convolution3x3("\(name).conv2", inputs: channels, outputs: channels, bias: false)
    parameter("\(name).norm.weight", [channels])
    parameter("\(name).norm.bias", [channels])
  }

  /// `EfficientViTBlock`: multi-scale linear attention, then a gated convolution.
  private mutating func efficientViTBlock(
    _ name: String, _ stage: AutoencoderConfiguration.Stage, headDimension: Int
  ) {
    let channels = stage.channels
    let attention = "\(name).attn"
    concatenatedLinear(
      "\(attention).to_qkv",
      of: ["to_q", "to_k", "to_v"].map { ("\(attention).\($0)", channels) }, inputs: channels,
      bias: false)
    for (index, kernel) in stage.multiscaleKernels.enumerated() {
      let projection = "\(attention).to_qkv_multiscale.\(index)"
      depthwiseConvolution(
        "\(projection).proj_in", channels: 3 * channels, kernel: kernel, bias: false)
      // A 1x1 convolution in groups, one for each head of queries, keys and values.
      pointwiseConvolution(
        "\(projection).proj_out", inputs: headDimension, outputs: 3 * channels, bias: false)
    }
    linear(
      "\(attention).to_out", inputs: channels * (1 + stage.multiscaleKernels.count),
      outputs: channels, bias: false)
    parameter("\(attention).norm_out.weight", [channels])
    parameter("\(attention).norm_out.bias", [channels])

    gatedConvolution("\(name).conv_out", channels: channels, hidden: 4 * channels)
    parameter("\(name).conv_out.norm.weight", [channels])
    parameter("\(name).conv_out.norm.bias", [channels])
  }
}
