public import Support

extension AutoencoderConfiguration {
  /// Reads the `config.json` of `diffusers.AutoencoderDC`; absent keys have that class's defaults.
  /// - Parameter location: the file's name for error messages.
  /// - Throws: `.invalidConfiguration` naming the key, `.unsupported` naming the variant.
  public init(official document: MetadataValue, location: String) throws(SanaError) {
    let reader = try ConfigurationReader(document, location: location)
    let downsampling: Downsampling =
      try reader.string("downsample_block_type", default: "pixel_unshuffle") == "pixel_unshuffle"
      ? .pixelUnshuffle : .convolution
    let upsampling: Upsampling =
      try reader.string("upsample_block_type", default: "pixel_shuffle") == "interpolate"
      ? .interpolate : .pixelShuffle
    let decoder = try Self.stages(reader, side: "decoder", defaultLayers: [3, 3, 3, 3, 3, 3])
    try Self.requireEverywhere(
      reader, "decoder_norm_types", is: "rms_norm", stageCount: decoder.count)
    try Self.requireEverywhere(reader, "decoder_act_fns", is: "silu", stageCount: decoder.count)
    self.init(
      imageChannels: try reader.integer("in_channels", default: 3, in: 1...1024),
      latentChannels: try reader.integer("latent_channels", default: 32, in: 1...4096),
      attentionHeadDimension: try reader.integer("attention_head_dim", default: 32, in: 1...1024),
      encoder: try Self.stages(reader, side: "encoder", defaultLayers: [2, 2, 2, 3, 3, 3]),
      decoder: decoder, downsampling: downsampling, upsampling: upsampling,
      encoderOutputShortcut: try reader.bool("encoder_out_shortcut", default: true),
      decoderInputShortcut: try reader.bool("decoder_in_shortcut", default: true),
      outputActivation: try Self.outputActivation(reader),
      scalingFactor: try reader.number("scaling_factor", default: 1, in: 1e-6...1e6))
    try checkChannels(reader)
  }

  /// Refuses anything but one value, whether the key holds it once or for each stage.
  private static func requireEverywhere(
    _ reader: ConfigurationReader, _ key: String, is expected: MetadataValue, stageCount: Int
  ) throws(SanaError) {
    guard let values = reader.value(key)?.arrayValue else {
      return try reader.require(key, is: expected, default: expected)
    }
    for value in values where value != expected { throw reader.unsupported(key, value) }
    guard values.count == stageCount else {
      throw reader.invalid("'\(key)' has \(values.count) entries for \(stageCount) stages")
    }
  }

  private static func outputActivation(
    _ reader: ConfigurationReader
  ) throws(SanaError) -> OutputActivation {
    let key = "decoder_conv_act_fn"
    // PyTorch's own names, in any case.
    switch try reader.string(key, default: "relu").lowercased() {
    case "relu": return .relu
    case "silu", "swish": return .silu
    case let name: throw reader.unsupported(key, .string(name))
    }
  }

  private static func stages(
    _ reader: ConfigurationReader, side: String, defaultLayers: [Int]
  ) throws(SanaError) -> [Stage] {
    func integers(
      _ key: String, default defaultValue: [Int], in range: ClosedRange<Int>
    ) throws(SanaError) -> [Int] {
      guard reader.value(key) != nil else { return defaultValue }
      var integers: [Int] = []
      for value in try reader.array(key) {
        integers.append(try reader.integer(value, key: key, in: range))
      }
      return integers
    }
    let channelsKey = "\(side)_block_out_channels"
    let channels = try integers(
      channelsKey, default: [128, 256, 512, 512, 1024, 1024], in: 1...1 << 16)
    guard (1...12).contains(channels.count) else {
      throw reader.invalid("'\(channelsKey)' has \(channels.count) stages, not 1 to 12")
    }
    func requireOneEach(_ key: String, _ count: Int) throws(SanaError) {
      guard count == channels.count else {
        throw reader.invalid(
          "'\(key)' has \(count) entries for \(channels.count) stages ('\(channelsKey)')")
      }
    }

    let layersKey = "\(side)_layers_per_block"
    let layers = try integers(layersKey, default: defaultLayers, in: 0...1024)
    try requireOneEach(layersKey, layers.count)
    // PyTorch leaves out the sampling of an empty stage, too; only outermost does another
    // convolution make up for that.
    for (index, count) in layers.enumerated() where count == 0 {
      guard layers.count > 1, index == 0 || index == layers.count - 1 else {
        throw reader.invalid(
          "'\(layersKey)' leaves stage \(index) without blocks, which only the outermost of several stages and the innermost can be"
        )
      }
    }

    let typesKey = "\(side)_block_types"
    var blocks: [BlockType] = []
    let types =
      reader.value(typesKey)?.arrayValue
      ?? Array(repeating: reader.value(typesKey) ?? "ResBlock", count: channels.count)
    for value in types {
      guard let block = value.stringValue.flatMap(BlockType.init(rawValue:)) else {
        throw reader.unsupported(typesKey, value)
      }
      blocks.append(block)
    }
    try requireOneEach(typesKey, blocks.count)

    let kernelsKey = "\(side)_qkv_multiscales"
    var kernels: [MetadataValue] = []
    // Nobody reads them where there is no attention.
    if blocks.contains(.efficientViT) {
      kernels =
        reader.value(kernelsKey) == nil
        ? [[], [], [], [5], [5], [5]] : try reader.array(kernelsKey)
      try requireOneEach(kernelsKey, kernels.count)
    }

    var stages: [Stage] = []
    for index in channels.indices {
      var multiscaleKernels: [Int] = []
      if blocks[index] == .efficientViT {
        guard let sizes = kernels[index].arrayValue, sizes.count <= 8 else {
          throw reader.nonsense(
            kernelsKey, kernels[index], "a list of up to 8 kernel sizes a stage")
        }
        for value in sizes {
          guard let size = value.integerValue, (1...31).contains(size), size % 2 == 1 else {
            throw reader.nonsense(kernelsKey, value, "an odd kernel size up to 31")
          }
          multiscaleKernels.append(size)
        }
      }
      stages.append(
        Stage(
          block: blocks[index], channels: channels[index], layers: layers[index],
          multiscaleKernels: multiscaleKernels))
    }
    return stages
  }

  /// The divisibility that blocks and shortcuts need; PyTorch fails on them when it builds or first
  /// runs the network.
  private func checkChannels(_ reader: ConfigurationReader) throws(SanaError) {
    guard encoder.count == decoder.count else {
      throw reader.invalid(
        "the encoder has \(encoder.count) stages but the decoder has \(decoder.count)")
    }
    for stage in encoder + decoder
    where stage.layers > 0 && stage.block == .efficientViT
      && stage.channels % attentionHeadDimension != 0
    {
      throw reader.invalid(
        "a stage of \(stage.channels) channels cannot be cut into heads of \(attentionHeadDimension) ('attention_head_dim')"
      )
    }
    let encoder = self.encoder[outermostEncoderStage...]
    let decoder = self.decoder[outermostDecoderStage...]
    guard
      encoder.startIndex == 0 || downsampling == .convolution
        || encoder.first.map({ $0.channels % 4 == 0 }) == true
    else {
      throw reader.invalid(
        "an encoder whose outermost stage has no blocks cannot begin with \(encoder.first?.channels ?? 0) channels ('encoder_block_out_channels')"
      )
    }
    for (outer, inner) in zip(encoder, encoder.dropFirst()) {
      guard (4 * outer.channels) % inner.channels == 0,
        downsampling == .convolution || inner.channels % 4 == 0
      else {
        throw reader.invalid(
          "the encoder cannot go from \(outer.channels) to \(inner.channels) channels ('encoder_block_out_channels')"
        )
      }
    }
    for (outer, inner) in zip(decoder, decoder.dropFirst()) {
      guard (4 * outer.channels) % inner.channels == 0 else {
        throw reader.invalid(
          "the decoder cannot go from \(inner.channels) to \(outer.channels) channels ('decoder_block_out_channels')"
        )
      }
    }
    for (stages, shortcut) in [(encoder, encoderOutputShortcut), (decoder, decoderInputShortcut)]
    where shortcut {
      guard let innermost = stages.last, innermost.channels % latentChannels == 0 else {
        throw reader.invalid(
          "the innermost channels are not a multiple of 'latent_channels' (\(latentChannels)), which the shortcut needs"
        )
      }
    }
  }
}
