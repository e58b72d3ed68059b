/// The matrices of some networks under all names that adapters give to them.
package struct AdapterTargets: Sendable {
  /// A tensor of a network, and which rows of an adapter's matrix are added to it.
  package struct Target: Hashable, Sendable {
    package let kind: ComponentKind
    /// As the network names it: `transformer_blocks.0.attn1.to_q.weight`.
    package let name: String
    package let shape: [Int]
    package let rows: Range<Int>
  }

  /// What a module's name leads to.
  package enum Match: Sendable {
    case targets([Target])
    /// A network that is not among those that are looked at.
    case absent(ComponentKind)
    case none
    /// Several modules, whose names become one where points are written as underscores.
    case ambiguous([String])
  }

  private struct Tensor: Hashable {
    let kind: ComponentKind
    let name: String
    let shape: [Int]
  }

  private let kinds: Set<ComponentKind>
  /// By the path of a module, with points; several for a module that the official network divides.
  private let modules: [String: [Tensor]]
  /// Paths by what they become where points are written as underscores.
  private let flattened: [String: [String]]

  package init(_ networks: [(kind: ComponentKind, tensors: [CheckpointTensor])]) {
    var modules: [String: [Tensor]] = [:]
    for (kind, tensors) in networks {
      for tensor in tensors where tensor.name.hasSuffix(".weight") {
        var path = String(tensor.name.dropLast(".weight".count))
        // A text encoder that was saved as part of a language model.
        if kind == .textEncoder, path.hasPrefix("model.") { path.removeFirst("model.".count) }
        modules[path] = [Tensor(kind: kind, name: tensor.name, shape: tensor.shape)]
      }
      if kind == .transformer {
        for (original, official) in OriginalNames.transformerModules(
          blockCount: blockCount(tensors))
        {
          let parts = official.compactMap { modules[$0]?.first }
          if parts.count == official.count, modules[original] == nil { modules[original] = parts }
        }
      }
    }
    self.modules = modules
    kinds = Set(networks.map(\.kind))
    flattened = Dictionary(grouping: modules.keys) { $0.replacing(".", with: "_") }
  }

  /// The networks, for a sentence: `the transformer does`, `the text-encoder and the transformer
  /// do`.
  var description: String {
    let names = kinds.map { "the \($0.rawValue)" }.sorted().joined(separator: " and ")
    return names + (kinds.count == 1 ? " does" : " do")
  }

  /// What a module of an adapter's file is here.
  package func match(_ module: String) -> Match {
    module.contains(".") ? matchPath(module) : matchFlattened(module)
  }

  /// Prefixes that wrappers and pipelines put before a module's path.
  private static let wrappers = [
    "base_model.model.", "model.diffusion_model.", "diffusion_model.", "base_model.",
    "transformer.", "unet.", "text_encoder.", "_orig_mod.", "module.", "model.",
  ]

  /// The path without what wrappers put before it.
  static func withoutWrappers(_ module: String) -> String {
    var path = module[...]
    while let wrapper = wrappers.first(where: { path.hasPrefix($0) }) {
      path = path.dropFirst(wrapper.count)
    }
    return String(path)
  }

  private func matchPath(_ module: String) -> Match {
    var path = module[...]
    var isTextEncoder = false
    while true {
      for name in [String(path), path + ".0"] {
        if let tensors = modules[name], name == path || path.hasSuffix(".to_out") {
          return .targets(Self.targets(tensors))
        }
      }
      guard let wrapper = Self.wrappers.first(where: { path.hasPrefix($0) }) else { break }
      isTextEncoder = isTextEncoder || wrapper == "text_encoder."
      path = path.dropFirst(wrapper.count)
    }
    return isTextEncoder && !kinds.contains(.textEncoder) ? .absent(.textEncoder) : .none
  }

  /// Prefixes of kohya's scripts, OneTrainer and LyCORIS, which write underscores for points.
  private static let flatPrefixes = [
    "lora_unet_", "lora_transformer_", "lora_te1_", "lora_te_", "lycoris_", "lora_",
    "transformer_", "text_encoder_", "model_",
  ]

  private func matchFlattened(_ module: String) -> Match {
    // Whatever prefixes are there, only what remains decides.
    var candidates: Set<String> = [module]
    for _ in 0..<2 {
      for candidate in candidates {
        for prefix in Self.flatPrefixes where candidate.hasPrefix(prefix) {
          candidates.insert(String(candidate.dropFirst(prefix.count)))
        }
      }
    }
    var paths = Set(candidates.flatMap { flattened[$0] ?? [] }).sorted()
    if paths.isEmpty {
      paths = Set(
        candidates.filter { $0.hasSuffix("_to_out") }.flatMap { flattened[$0 + "_0"] ?? [] }
      ).sorted()
    }
    guard let path = paths.first, let tensors = modules[path] else {
      let isTextEncoder = module.hasPrefix("lora_te") || module.hasPrefix("text_encoder_")
      return isTextEncoder && !kinds.contains(.textEncoder) ? .absent(.textEncoder) : .none
    }
    return paths.count == 1 ? .targets(Self.targets(tensors)) : .ambiguous(paths)
  }

  private static func targets(_ tensors: [Tensor]) -> [Target] {
    var end = 0
    return tensors.map { tensor in
      let start = end
      end += tensor.shape.first ?? 1
      return Target(kind: tensor.kind, name: tensor.name, shape: tensor.shape, rows: start..<end)
    }
  }
}

/// How many blocks a transformer's tensors are of.
private func blockCount(_ tensors: [CheckpointTensor]) -> Int {
  let prefix = "transformer_blocks."
  let numbers = tensors.compactMap { tensor in
    tensor.name.hasPrefix(prefix)
      ? tensor.name.dropFirst(prefix.count).split(separator: ".").first.flatMap { Int($0) } : nil
  }
  // A name may hold any number; a network has no more blocks than tensors.
  return min((numbers.max() ?? -1) &+ 1, tensors.count)
}
