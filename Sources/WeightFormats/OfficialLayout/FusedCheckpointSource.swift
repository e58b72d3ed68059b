/// An official component, seen as the tensors of a `.sana` file: fused on demand, in memory, at the precision it has.
public struct FusedCheckpointSource: WeightSource {
  public let layout: OfficialLayout
  /// Tensors of the checkpoint that the network does not use and the container leaves out.
  public let ignoredTensors: [String]
  private let weights: any CheckpointTensors
  /// Put before official names: `model.` where a text encoder was saved as part of a language model.
  private let prefix: String

  /// - Throws: `.tensorMismatch` naming up to five tensors that are missing, unexpected, wrongly shaped or of a type that weights
  ///   cannot have.
  public init(_ component: OfficialComponent) throws(SanaError) {
    try self.init(component.weights, configuration: component.configuration)
  }

  /// - Throws: as above.
  package init(
    _ weights: any CheckpointTensors, configuration: ComponentConfiguration
  ) throws(SanaError) {
    let layout = OfficialLayout(configuration)
    self.layout = layout
    self.weights = weights
    var ignored: Set<String> = []
    if layout.kind == .textEncoder {
      prefix = weights.tensor(named: "model.embed_tokens.weight") == nil ? "" : "model."
      // The output layer of a language model: Gemma's is the embedding table again.
      if weights.tensor(named: "lm_head.weight") != nil { ignored.insert("lm_head.weight") }
    } else {
      prefix = ""
    }
    ignoredTensors = ignored.sorted()
    try ConfigurationContradictions.check(
      weights, against: configuration, prefix: prefix,
      location: weights.sourceFiles.first?.path ?? layout.kind.rawValue)
    try Self.check(
      weights, against: layout, prefix: prefix, ignored: ignored,
      location: weights.sourceFiles.first?.path ?? layout.kind.rawValue)
  }

  public func description(of name: String) -> TensorDescription? {
    layout.rule(named: name).map(description(of:))
  }

  public func load(_ name: String) throws -> StoredTensor {
    guard let rule = layout.rule(named: name) else {
      throw SanaError(
        .tensorMismatch, "the \(layout.kind.rawValue) has no tensor '\(name.abbreviated)'",
        remedy: "check that the checkpoint is of the model that is being run")
    }
    let type = rule.fusedType(of: sourceTypes(of: rule))
    return StoredTensor(
      description: description(of: rule),
      values: rule.fuse(try elements(of: rule)).converted(to: type).bytes)
  }

  package func description(of rule: FusionRule) -> TensorDescription {
    TensorDescription(
      name: rule.name, shape: rule.shape,
      encoding: rule.fusedType(of: sourceTypes(of: rule)).encoding)
  }

  /// What the official tensors' numbers are once they are read, in the order in which the rule takes them.
  package func sourceTypes(of rule: FusionRule) -> [ScalarType] {
    rule.sources.compactMap { weights.tensor(named: prefix + $0.name)?.type.readType }
  }

  /// Where the official tensors that the rule takes stand, in its order.
  package func origins(of rule: FusionRule) -> [TensorOrigin?] {
    rule.sources.map { weights.origin(of: prefix + $0.name) }
  }

  /// The official tensors that the rule takes, in its order, as they lie in the mapped files.
  package func elements(of rule: FusionRule) throws -> [TensorElements] {
    try rule.sources.compactMap { try weights.elements(of: prefix + $0.name) }
  }

  private static func check(
    _ weights: any CheckpointTensors, against layout: OfficialLayout, prefix: String,
    ignored: Set<String>, location: String
  ) throws(SanaError) {
    var remaining: Set<String> = []
    for tensor in weights.tensors where !ignored.contains(tensor.name) {
      remaining.insert(tensor.name)
    }
    var missing: [String] = []
    var misshapen: [String] = []
    var mistyped: [String] = []
    for official in layout.officialTensors {
      let name = prefix + official.name
      guard let tensor = weights.tensor(named: name) else {
        missing.append("'\(name.abbreviated)'")
        continue
      }
      remaining.remove(name)
      if tensor.shape != official.shape {
        misshapen.append("'\(name.abbreviated)' is \(tensor.shape), not \(official.shape)")
      } else if !tensor.type.isFloatingPoint {
        mistyped.append("'\(name.abbreviated)' holds \(tensor.type.rawValue) numbers")
      }
    }
    let unexpected = remaining.sorted().map { "'\($0.abbreviated)'" }
    let complaints = [
      complaint("missing", missing), complaint("unexpected", unexpected),
      complaint("wrongly shaped", misshapen), complaint("no weights", mistyped),
    ].compactMap { $0 }
    guard complaints.isEmpty else {
      throw SanaError(
        .tensorMismatch,
        "the tensors are not those of the \(layout.kind.rawValue) that config.json describes: \(complaints.joined(separator: "; "))",
        remedy: "use the weights and the config.json of the same release", location: location)
    }
  }

  private static func complaint(_ kind: String, _ items: [String]) -> String? {
    guard !items.isEmpty else { return nil }
    let shown = items.prefix(5).joined(separator: ", ")
    return items.count > 5
      ? "\(kind): \(shown) and \(items.count - 5) more" : "\(kind): \(shown)"
  }
}
