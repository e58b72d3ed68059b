internal import Support

extension ComponentKind {
  /// The component whose weights a class of diffusers or transformers holds.
  /// - Throws: `.unsupported` naming the class.
  init(officialClass name: String, location: String) throws(SanaError) {
    switch name {
    case "Gemma2Model", "Gemma2ForCausalLM": self = .textEncoder
    case "SanaTransformer2DModel": self = .transformer
    case "AutoencoderDC": self = .autoencoder
    case _ where PipelineClass.isControlNet(name):
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

  /// The component that a component's own `config.json` describes, or `nil` when it names no class.
  /// - Throws: `.unsupported` naming the class.
  init?(configuration document: MetadataValue, location: String) throws(SanaError) {
    guard let name = Self.className(in: document) else { return nil }
    try self.init(officialClass: name, location: location)
  }

  /// The class that a component's own `config.json` names, or that of its model type: transformers
  /// saves a configuration without `architectures` where no model was made from it.
  static func className(in document: MetadataValue) -> String? {
    document["_class_name"]?.stringValue
      ?? document["architectures"]?.arrayValue?.first?.stringValue
      ?? (document["model_type"] == "gemma2" ? "Gemma2Model" : nil)
  }

  /// The component that holds such tensors, or `nil`.
  /// - Throws: `.unsupported` for a ControlNet.
  init?(recognizing tensors: any CheckpointTensors, location: String) throws(SanaError) {
    func holds(_ name: String) -> Bool { tensors.tensor(named: name) != nil }
    if OriginalNames.isControlNet(tensors) {
      try self.init(officialClass: "SanaControlNetModel", location: location)
    } else if holds("layers.0.self_attn.q_proj.weight") || holds("embed_tokens.weight") {
      self = .textEncoder
    } else if holds("transformer_blocks.0.attn1.to_q.weight") || holds("caption_norm.weight") {
      self = .transformer
    } else if holds("decoder.norm_out.weight") || holds("encoder.conv_out.weight") {
      self = .autoencoder
    } else {
      return nil
    }
  }
}

/// What a pipeline's `model_index.json` says.
enum PipelineClass {
  /// - Throws: `.unsupported` for a pipeline whose networks are not plain Sana networks.
  static func check(_ name: String, location: String) throws(SanaError) {
    switch name {
    case "SanaPipeline", "SanaPAGPipeline", "SanaSprintPipeline", "SanaSprintImg2ImgPipeline",
      controlNetPipeline:
      break
    default:
      throw SanaError(
        .unsupported, "names the pipeline class '\(name.abbreviated)', which is not supported",
        remedy: "use a SanaPipeline or SanaSprintPipeline checkpoint", location: location)
    }
  }

  /// The networks of a pipeline and their classes. An entry is
  /// `"transformer": ["diffusers", "SanaTransformer2DModel"]`, `[null, null]` for a part left out.
  static func parts(of index: MetadataValue) -> [(name: String, className: String)] {
    (index.members ?? []).compactMap { member in
      guard let entry = member.value.arrayValue, entry.count == 2,
        let className = entry[1].stringValue, !["scheduler", "tokenizer"].contains(member.name)
      else { return nil }
      return (member.name, className)
    }
  }

  static func isControlNet(_ className: String) -> Bool { className.hasPrefix("SanaControlNet") }

  /// The index of the pipeline around a ControlNet, which works without one.
  static func withoutControlNets(_ index: MetadataValue) -> MetadataValue {
    let controlNets = Set(parts(of: index).filter { isControlNet($0.className) }.map(\.name))
    let members = (index.members ?? []).filter { !controlNets.contains($0.name) }
    return .object(
      members.map { member in
        member.name == "_class_name" && member.value.stringValue == controlNetPipeline
          ? .init(member.name, "SanaPipeline") : member
      })
  }

  private static let controlNetPipeline = "SanaControlNetPipeline"
}
