public import SanaGraph
public import WeightFormats

/// DC-AE's decoder (`AutoencoderDC.decoder`): latents to a picture, 32 pixels a side for each latent.
///
///     z ─ 3x3 ─(+ repeated channels)─ stage 5 ─ up, stage 4 ─ … ─ up, stage 0 ─ norm ─ ReLU ─ 3x3
///
/// DC-AE-Lite has no stage 0: after stage 1 and its norm come SiLU and an upsampling block to the
/// channels of the picture.
public struct AutoencoderDecoder: Sendable {
  public let configuration: AutoencoderConfiguration

  public init(_ configuration: AutoencoderConfiguration) {
    self.configuration = configuration
  }

  public struct DecoderGraph: Sendable {
    public let graph: Graph
    /// Latents already divided by the scaling factor, `[batch, h, w, latentChannels]`
    public let latents: Value
    /// `[batch, 32 h, 32 w, imageChannels]`, black at -1, white at 1, not clamped
    public let image: Value
  }

  /// - Parameters height, width: of the latents.
  /// - Parameter handsOverRows: whether the rows of the image, which is one, are handed over as
  ///   they are made.
  /// - Returns: a graph with the values `conv_in`, `up_blocks.<stage>.<block>`, `up_blocks.<stage>` and `image_float`.
  public func graph(
    height: Int, width: Int, batch: Int, fusion: GraphBuilder.Fusion = .full,
    handsOverRows: Bool = false
  ) -> DecoderGraph {
    var builder = GraphBuilder(name: "decoder \(batch)x\(height)x\(width)", fusion: fusion)
    let path = ModulePath.root["decoder"]
    let latents = builder.input(
      "latents",
      Shape(batch: batch, height: height, width: width, channels: configuration.latentChannels))

    let stages = configuration.decoder
    let innermost = stages[stages.count - 1].channels
    let input = path["conv_in"]
    var stream = builder.convolution(
      latents, weight: input.weight(innermost, 3, 3, configuration.latentChannels),
      bias: input.bias(innermost), name: "conv_in")
    if configuration.decoderInputShortcut {
      stream = builder.duplicateChannels(latents, factor: 1, residual: stream)
    }
    let outermost = configuration.outermostDecoderStage
    for index in (outermost..<stages.count).reversed() { stream = stage(index, stream, &builder) }

    let activated = builder.activate(
      builder.channelNorm(stream, path["norm_out"]), configuration.outputActivation.operation)
    let output = path["conv_out"]
    let image: Value
    if outermost == 0 {
      image = builder.convolution(
        activated, weight: output.weight(configuration.imageChannels, 3, 3, stages[0].channels),
        bias: output.bias(configuration.imageChannels))
    } else {
      image = UpsamplingBlock(
        path: output, outputChannels: configuration.imageChannels, kind: configuration.upsampling
      ).convolve(activated, &builder)
    }
    builder.name(image, "image_float")
    return DecoderGraph(
      graph: builder.finish(outputs: [image], handsOverRows: handsOverRows), latents: latents,
      image: image)
  }

  /// One resolution: upsampling from the next inner stage, if there is one, then its blocks.
  private func stage(_ index: Int, _ input: Value, _ builder: inout GraphBuilder) -> Value {
    let stage = configuration.decoder[index]
    let name = "up_blocks.\(index)"
    let path = ModulePath.root["decoder"][name]
    var stream = input
    var position = 0
    if index < configuration.decoder.count - 1 {
      stream = UpsamplingBlock(
        path: path[position], outputChannels: stage.channels, kind: configuration.upsampling
      ).apply(stream, &builder)
      builder.name(stream, "\(name).\(position)")
      builder.endSegment()
      position += 1
    }
    for _ in 0..<stage.layers {
      stream = configuration.apply(stage, stream, path[position], &builder)
      builder.name(stream, "\(name).\(position)")
      builder.endSegment()
      position += 1
    }
    builder.name(stream, name)
    return stream
  }
}

extension AutoencoderConfiguration.OutputActivation {
  fileprivate var operation: Activation {
    switch self {
    case .relu: .relu
    case .silu: .silu
    }
  }
}
