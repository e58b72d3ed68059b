internal import Support

/// What PEFT says of an adapter (`peft.LoraConfig`, `peft.LoKrConfig`, `peft.LoHaConfig`): in
/// `adapter_config.json` beside its tensors, or in the header of diffusers' files, where the keys
/// of each network have its name before them.
struct AdapterConfiguration: Sendable {
  static let fileName = "adapter_config.json"
  /// The files that `adapter_config.json` describes.
  static let adapterNames = ["adapter_model.safetensors", "adapter_model.bin"]

  /// `transformer.` or `text_encoder.` in a header, else empty.
  let prefix: String
  let source: AdapterScaling.Source
  /// Whether a matrix is multiplied by `alpha / sqrt(rank)`.
  let isStabilized: Bool
  private let alpha: Double?
  private let rank: Int?
  private let alphas: [(pattern: String, value: Double)]
  private let ranks: [(pattern: String, value: Int)]
  /// Ends of the names of the modules that it adapts; `nil` where they are told in another way.
  private let targets: [String]?
  private let isDecomposed: Bool

  /// - Throws: `.malformedFile`.
  static func parse(_ text: String, location: String) throws -> MetadataValue {
    try Array(text.utf8).withUnsafeBytes {
      try JSONParser.parse($0, location: location, options: .configuration)
    }
  }

  /// One for each network that a header describes.
  static func networks(
    _ document: MetadataValue, source: AdapterScaling.Source, location: String
  ) throws(SanaError) -> [AdapterConfiguration] {
    let keys = document.members?.map(\.name) ?? []
    var found: [AdapterConfiguration] = []
    for prefix in ["transformer.", "text_encoder."]
    where keys.contains(where: { $0.hasPrefix(prefix) }) {
      found.append(try AdapterConfiguration(document, prefix: prefix, source: source, location))
    }
    return found.isEmpty
      ? [try AdapterConfiguration(document, prefix: "", source: source, location)] : found
  }

  /// - Throws: `.unsupported` for variants that are not merged; `.invalidConfiguration` when a
  ///   value makes no sense.
  init(
    _ document: MetadataValue, prefix: String, source: AdapterScaling.Source, _ location: String
  ) throws(SanaError) {
    func value(_ key: String) -> MetadataValue? { document[prefix + key] }
    func unsupported(_ what: String) -> SanaError {
      SanaError(
        .unsupported, "describes \(what), which is not merged",
        remedy: "merge it with PEFT and convert the result", location: location)
    }
    self.prefix = prefix
    self.source = source
    if let type = value("peft_type")?.stringValue, !["LORA", "LOKR", "LOHA"].contains(type) {
      throw unsupported("an adapter of the type '\(type.abbreviated)'")
    }
    // These begin with a change of the model's own weights, on top of which the rest was trained.
    if let beginning = value("init_lora_weights")?.stringValue,
      ["pissa", "olora", "loftq", "corda", "lora_ga"].contains(where: {
        beginning.lowercased().hasPrefix($0)
      })
    {
      throw unsupported("an adapter that was begun by '\(beginning.abbreviated)'")
    }
    for key in Self.otherVariants {
      if let setting = value(key), ![.null, .bool(false)].contains(setting) {
        throw unsupported("an adapter with '\(key)'")
      }
    }
    isStabilized = value("use_rslora")?.boolValue ?? false
    isDecomposed = value("use_dora")?.boolValue ?? false
    alpha = value("lora_alpha")?.numberValue ?? value("alpha")?.numberValue
    rank = value("r")?.integerValue
    targets = value("target_modules")?.arrayValue?.compactMap(\.stringValue)
    func patterns(_ key: String) throws(SanaError) -> [(pattern: String, value: MetadataValue)] {
      var patterns: [(pattern: String, value: MetadataValue)] = []
      for member in value(key)?.members ?? [] {
        var name = member.name.replacing("\\.", with: ".")
        if name.hasPrefix("^") { name.removeFirst() }
        if name.hasSuffix("$") { name.removeLast() }
        guard !name.contains(where: { "\\*+?[](){}|^$".contains($0) }) else {
          throw unsupported(
            "by '\(key)' modules '\(member.name.abbreviated)', a regular expression")
        }
        patterns.append((member.name.hasPrefix("^") ? "^" + name : name, member.value))
      }
      return patterns
    }
    alphas = try patterns("alpha_pattern").compactMap { pattern, value in
      value.numberValue.map { (pattern, $0) }
    }
    ranks = try patterns("rank_pattern").compactMap { pattern, value in
      value.integerValue.map { (pattern, $0) }
    }
    guard (alphas.map(\.value) + [alpha ?? 1]).allSatisfy(\.isFinite) else {
      throw SanaError(
        .invalidConfiguration, "states an alpha that is no number",
        remedy: "use the adapter's own file", location: location)
    }
  }

  /// Settings of PEFT's that compute something else than a sum, or of which a part lies elsewhere.
  private static let otherVariants = [
    "use_qalora", "alora_invocation_tokens", "arrow_config", "kasa_config", "monteclora_config",
    "use_bdlora", "layer_replication", "trainable_token_indices",
  ]

  /// Whether it is about the network that a module is of, as far as the module's name tells.
  func describes(_ module: String) -> Bool {
    switch prefix {
    case "": true
    case "text_encoder.": module.hasPrefix(prefix) || module.hasPrefix("lora_te")
    default: !module.hasPrefix("text_encoder.") && !module.hasPrefix("lora_te")
    }
  }

  func alpha(of module: String) -> Double? { Self.value(alphas, of: module) ?? alpha }

  func rank(of module: String) -> Int? { Self.value(ranks, of: module) ?? rank }

  /// The first pattern that is the module's name, or the end of it behind a point.
  private static func value<Value>(
    _ patterns: [(pattern: String, value: Value)], of module: String
  ) -> Value? {
    let name = AdapterTargets.withoutWrappers(module)
    return patterns.first { pattern, _ in
      pattern.hasPrefix("^")
        ? name == pattern.dropFirst() : name == pattern || name.hasSuffix("." + pattern)
    }?.value
  }

  /// Why it is not the configuration of an adapter's file; `nil` where ranks and modules agree.
  func disagreement(with modules: [AdapterModule]) -> String? {
    for module in modules {
      if let found = module.rank, let stated = rank(of: module.name), found != stated {
        return "it states the rank \(stated), and '\(module.name.abbreviated)' has \(found)"
      }
      let name = AdapterTargets.withoutWrappers(module.name)
      if let targets, !targets.contains(where: { name == $0 || name.hasSuffix("." + $0) }) {
        return "it does not adapt '\(module.name.abbreviated)'"
      }
    }
    return rank == nil ? "it states no rank" : nil
  }

  /// - Throws: `.tensorMismatch` when the file's tensors contradict it.
  func check(_ modules: [AdapterModule], path: String) throws(SanaError) {
    for module in modules where describes(module.name) {
      if let found = module.rank, let stated = rank(of: module.name), found != stated {
        throw LowRankAdapter.mismatch(
          "'\(module.name.abbreviated)' has the rank \(found), but \(source.label) states \(stated)",
          path, remedy: "save the adapter again with the library that made it")
      }
      if isDecomposed, !module.isDecomposed {
        throw LowRankAdapter.mismatch(
          "'\(module.name.abbreviated)' lacks the lengths of its rows, though \(source.label) says that it is a DoRA",
          path, remedy: "save the adapter again with the library that made it")
      }
    }
  }
}
