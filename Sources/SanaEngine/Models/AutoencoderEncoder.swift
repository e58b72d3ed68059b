public import SanaGraph
public import WeightFormats

/// DC-AE's encoder (`AutoencoderDC.encoder`): a picture to latents, one for 32 pixels a side.
///
///     x ─ 3x3 ─ stage 0, down ─ … ─ stage 4, down ─ stage 5 ─ 3x3 (+ averaged channels)
public struct AutoencoderEncoder: Sendable {
  public let configuration: AutoencoderConfiguration

  public init(_ configuration: AutoencoderConfiguration) {
    self.configuration = configuration
  }

  public struct EncoderGraph: Sendable {
    public let graph: Graph
    /// `[batch, h, w, imageChannels]`, black at -1, white at 1
    public let image: Value
    /// `[batch, h / 32, w / 32, latentChannels]`, not yet multiplied with the scaling factor
    public let latents: Value
  }

  /// - Parameters height, width: of the picture, multiples of the configuration's `compression`.
  /// - Returns: a graph with the values `conv_in`, `down_blocks.<stage>.<block>`, `down_blocks.<stage>` and `latent`.
  public func graph(
    height: Int, width: Int, batch: Int, fusion: GraphBuilder.Fusion = .full
  ) -> EncoderGraph {
    var builder = GraphBuilder(name: "encoder \(batch)x\(height)x\(width)", fusion: fusion)
    let path = ModulePath.root["encoder"]
    let image = builder.input(
      "image",
      Shape(batch: batch, height: height, width: width, channels: configuration.imageChannels))

    let stages = configuration.encoder
    let input = path["conv_in"]
    let outermost = configuration.outermostEncoderStage
    let channels = stages[outermost].channels
    var stream: Value
    if outermost == 0 {
      stream = builder.convolution(
        image, weight: input.weight(channels, 3, 3, configuration.imageChannels),
        bias: input.bias(channels))
    } else {
      stream = DownsamplingBlock(
        path: input, outputChannels: channels, kind: configuration.downsampling
      ).convolve(image, &builder)
    }
    builder.name(stream, "conv_in")
    for index in outermost..<stages.count { stream = stage(index, stream, &builder) }

    let output = path["conv_out"]
    let innermost = stages[stages.count - 1].channels
    var latents = builder.convolution(
      stream, weight: output.weight(configuration.latentChannels, 3, 3, innermost),
      bias: output.bias(configuration.latentChannels))
    if configuration.encoderOutputShortcut {
      latents = builder.averageChannels(stream, factor: 1, residual: latents)
    }
    builder.name(latents, "latent")
    return EncoderGraph(
      graph: builder.finish(outputs: [latents]), image: image, latents: latents)
  }

  /// One resolution: its blocks, then downsampling to the next inner stage, if there is one.
  private func stage(_ index: Int, _ input: Value, _ builder: inout GraphBuilder) -> Value {
    let stage = configuration.encoder[index]
    let name = "down_blocks.\(index)"
    let path = ModulePath.root["encoder"][name]
    var stream = input
    for position in 0..<stage.layers {
      stream = configuration.apply(stage, stream, path[position], &builder)
      builder.name(stream, "\(name).\(position)")
      builder.endSegment()
    }
    if index < configuration.encoder.count - 1 {
      stream = DownsamplingBlock(
        path: path[stage.layers], outputChannels: configuration.encoder[index + 1].channels,
        kind: configuration.downsampling
      ).apply(stream, &builder)
      builder.name(stream, "\(name).\(stage.layers)")
      builder.endSegment()
    }
    builder.name(stream, name)
    return stream
  }
}
