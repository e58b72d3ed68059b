package import Support

/// An official component, seen as the tensors of a `.sana` file: fused on demand, in memory, at the
/// precision it has.
public struct FusedCheckpointSource: WeightSource {
  public let layout: OfficialLayout
  private let weights: any CheckpointTensors

  /// - Throws: `.tensorMismatch` naming up to five tensors that are missing, unexpected, wrongly
  ///   shaped or of a type that weights cannot have, or one of each side where the names are those
  ///   of something else.
  package init(
    _ weights: any CheckpointTensors, configuration: ComponentConfiguration
  ) throws(SanaError) {
    let layout = OfficialLayout(configuration)
    self.layout = layout
    self.weights = weights
    try ConfigurationContradictions.check(
      weights, against: configuration,
      location: weights.sourceFiles.first?.path ?? layout.kind.rawValue)
    try Self.check(
      weights, against: layout,
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

  /// What the official tensors' numbers are once they are read, in the order in which the rule
  /// takes them.
  package func sourceTypes(of rule: FusionRule) -> [ScalarType] {
    rule.sources.compactMap { weights.tensor(named: $0.name)?.type.readType }
  }

  /// Where the official tensors that the rule takes stand, in its order.
  package func origins(of rule: FusionRule) -> [TensorOrigin?] {
    rule.sources.map { weights.origin(of: $0.name) }
  }

  /// The official tensors that the rule takes, in its order, as they lie in the mapped files.
  package func elements(of rule: FusionRule) throws -> [TensorElements] {
    try rule.sources.compactMap { try weights.elements(of: $0.name) }
  }

  private static func check(
    _ weights: any CheckpointTensors, against layout: OfficialLayout, location: String
  ) throws(SanaError) {
    var remaining = Set(weights.tensors.map(\.name))
    var missing: [String] = []
    var misshapen: [String] = []
    var mistyped: [String] = []
    for official in layout.officialTensors {
      let name = official.name
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
    if let wanted = missing.first, let found = unexpected.first,
      missing.count > layout.officialTensors.count / 2
    {
      throw SanaError(
        .tensorMismatch,
        "the names are not those of the \(layout.kind.rawValue): \(missing.count) of its \(layout.officialTensors.count) tensors are missing, \(wanted) for one, and \(unexpected.count) are of something else, like \(found)",
        remedy: "use the weights and the config.json of the same release", location: location)
    }
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
