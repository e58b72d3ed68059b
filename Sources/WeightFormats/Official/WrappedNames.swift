internal import Support

/// The names of a network's tensors without what wrappers around it put into them: `module.` of
/// data parallel training, `_orig_mod.` of `torch.compile`, `base_model.model.` of PEFT,
/// `model.diffusion_model.` of single-file checkpoints, or any other words that all names begin
/// with.
struct WrappedNames {
  /// The tensors' own names, and those in the file.
  let sourceNames: [String: String]
  let notice: String

  /// - Returns: `nil` where nothing is wrapped.
  /// - Throws: `.unsupported` when a network's tensors stand under a prefix beside others that are
  ///   not its own; `.tensorMismatch` when two tensors have one name without their wrappers.
  init?(_ names: [String], location: String) throws(SanaError) {
    let wrapped = names.filter { !Self.counters.contains($0) }
    var bare = wrapped.map(Self.withoutTransparentModules)
    let prefix = try Self.prefix(of: bare, location: location)
    bare = bare.map { String($0.dropFirst(prefix.count)) }
    guard bare != wrapped, let name = wrapped.first, let own = bare.first else { return nil }
    var sourceNames: [String: String] = [:]
    for (own, name) in zip(bare, wrapped) {
      if let other = sourceNames.updateValue(name, forKey: own) {
        throw SanaError(
          .tensorMismatch,
          "holds '\(own.abbreviated)' twice, as '\(other.abbreviated)' and '\(name.abbreviated)'",
          remedy: "save the state_dict() of one network alone", location: location)
      }
    }
    self.sourceNames = sourceNames
    let whole = String(name.dropLast(own.count))
    notice =
      zip(bare, wrapped).allSatisfy { whole + $0 == $1 }
      ? "the prefix '\(whole.abbreviated)' of all names is taken off"
      : "wrappers' words are taken out of the names: '\(name.abbreviated)' is '\(own.abbreviated)'"
  }

  /// Modules that stand anywhere in a name and are no part of a network.
  private static let transparentModules: Set<Substring> = [
    "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module",
  ]

  private static func withoutTransparentModules(_ name: String) -> String {
    let fields = name.split(separator: ".", omittingEmptySubsequences: false)
    return fields.contains(where: transparentModules.contains)
      ? fields.filter { !transparentModules.contains($0) }.joined(separator: ".") : name
  }

  /// What stands beside a wrapped network and is none of its tensors
  /// (`torch.optim.swa_utils.AveragedModel`).
  private static let counters: Set<String> = ["n_averaged"]

  /// How the networks' own names begin: those of diffusers and transformers, and those of NVlabs.
  private static let beginnings = [
    "transformer_blocks.", "patch_embed.", "caption_projection.", "blocks.", "x_embedder.",
    "y_embedder.", "layers.", "embed_tokens.", "lm_head.", "decoder.up_blocks.", "decoder.stages.",
    "encoder.down_blocks.", "encoder.stages.", "controlnet_blocks.", "controlnet.0.",
  ]

  /// The shortest words that all names begin with and a network's names follow.
  private static func prefix(of names: [String], location: String) throws(SanaError) -> String {
    guard let first = names.first, !areOwn(names, under: "") else { return "" }
    let fields = first.split(separator: ".", omittingEmptySubsequences: false)
    var prefix = ""
    for field in fields.dropLast() {
      prefix += field + "."
      guard names.allSatisfy({ $0.hasPrefix(prefix) }) else { break }
      if areOwn(names, under: prefix) { return prefix }
    }
    guard let inner = innerPrefix(of: names),
      let other = names.first(where: { !$0.hasPrefix(inner) })
    else { return "" }
    throw SanaError(
      .unsupported,
      "holds a network's tensors under '\(inner.abbreviated)' and others beside them ('\(other.abbreviated)')",
      remedy: "save the tensors of one network as a file of their own", location: location)
  }

  private static func areOwn(_ names: [String], under prefix: String) -> Bool {
    let beginnings = beginnings.map { prefix + $0 }
    return names.contains { name in beginnings.contains(where: name.hasPrefix) }
  }

  /// What stands before a network's names where not all names begin alike.
  private static func innerPrefix(of names: [String]) -> String? {
    let marks = ["transformer_blocks.0.", "blocks.0.attn.", "layers.0.self_attn."]
    for name in names {
      for mark in marks {
        if let range = name.firstRange(of: ".\(mark)") {
          return String(name[...range.lowerBound])
        }
      }
    }
    return nil
  }
}
