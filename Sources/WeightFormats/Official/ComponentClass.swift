extension ComponentKind {
  /// The component whose weights a class of diffusers or transformers holds.
  /// - Throws: `.unsupported` naming the class.
  init(officialClass name: String, location: String) throws(SanaError) {
    switch name {
    case "Gemma2Model", "Gemma2ForCausalLM": self = .textEncoder
    case "SanaTransformer2DModel": self = .transformer
    case "AutoencoderDC": self = .autoencoder
    case _ where name.hasPrefix("SanaControlNet"):
      throw SanaError(
        .unsupported, "holds a ControlNet (\(name.abbreviated)), which is not run yet",
        remedy: "convert the components of the base pipeline (--components)", location: location)
    default:
      throw SanaError(
        .unsupported, "names the class '\(name.abbreviated)', which is no part of Sana",
        remedy:
          "use a checkpoint made of Gemma2Model, SanaTransformer2DModel and AutoencoderDC",
        location: location)
    }
  }

  /// The component that a component's own `config.json` describes.
  /// - Throws: `.unsupported` naming the class; `.invalidConfiguration` when none is named.
  init(configuration document: MetadataValue, location: String) throws(SanaError) {
    guard
      let name = document["_class_name"]?.stringValue
        ?? document["architectures"]?.arrayValue?.first?.stringValue
    else {
      throw SanaError(
        .invalidConfiguration, "names neither a _class_name nor architectures",
        remedy: "name a folder of an official Sana checkpoint", location: location)
    }
    try self.init(officialClass: name, location: location)
  }

  /// The component that holds such tensors, or `nil`.
  /// - Throws: `.unsupported` for a ControlNet.
  init?(recognizing tensors: any CheckpointTensors, location: String) throws(SanaError) {
    func holds(_ name: String) -> Bool { tensors.tensor(named: name) != nil }
    if holds("controlnet_blocks.0.weight") {
      try self.init(officialClass: "SanaControlNetModel", location: location)
    } else if holds("embed_tokens.weight") || holds("model.embed_tokens.weight") {
      self = .textEncoder
    } else if holds("patch_embed.proj.weight") && holds("caption_norm.weight") {
      self = .transformer
    } else if holds("decoder.norm_out.weight") && holds("encoder.conv_out.weight") {
      self = .autoencoder
    } else {
      return nil
    }
  }
}

/// The pipeline classes whose networks are plain Sana networks.
enum PipelineClass {
  static func check(_ name: String, location: String) throws(SanaError) {
    switch name {
    case "SanaPipeline", "SanaPAGPipeline", "SanaSprintPipeline", "SanaSprintImg2ImgPipeline",
      "SanaControlNetPipeline":
      break
    default:
      throw SanaError(
        .unsupported, "names the pipeline class '\(name.abbreviated)', which is not supported",
        remedy: "use a SanaPipeline or SanaSprintPipeline checkpoint", location: location)
    }
  }
}
