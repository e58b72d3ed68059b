public import Support
public import WeightFormats

/// What becomes of every tensor of a model. Those that were computed from its weights are none of it: from other weights they would be
/// others.
public struct QuantizationPlan: Sendable {
  public struct Step: Sendable {
    public let component: ComponentKind
    public let source: TensorEntry
    public internal(set) var target: TensorTarget
    /// Whether a rule of the user chose the target.
    public let isExplicit: Bool

    /// Whether the numbers stay as they are stored: those of a transformed input can only be
    /// multiplied by it.
    public var isCopy: Bool {
      source.description.encoding == target.encoding
        && (target.activations.isInt8 || !source.description.activations.isTransformed)
    }

    /// The tensor as it will be written.
    /// - Parameter activations: how the input is coded.
    func result(_ activations: ActivationEncoding) -> TensorDescription {
      TensorDescription(
        name: source.name, shape: source.description.shape, encoding: target.encoding,
        activations: activations)
    }

    /// The name that rules see.
    public var qualifiedName: String { "\(component.rawValue)/\(source.name)" }
  }

  public let recipe: Recipe
  public let rules: [QuantizationRule]
  /// In the order of the file.
  public internal(set) var steps: [Step]

  /// Whether what products multiply makes a difference to how a tensor is coded.
  public var canUseStatistics: Bool {
    steps.contains {
      !$0.isCopy && $0.source.description.shape.count == 2 && $0.target.encoding.isQuantized
        && $0.source.name != "embed_tokens.weight"
    }
  }

  /// - Parameters:
  ///   - rules: the user's, which win over the recipe's; later ones over earlier ones.
  ///   - allowsRequantizing: whether tensors that are already quantized may be encoded again.
  /// - Throws: `.invalidArgument` for a rule that fits no tensor, or when the model is already quantized;
  ///   `.unsupported` for components that this version does not know.
  public init(
    _ file: ModelFile, recipe: Recipe, rules: [QuantizationRule] = [],
    allowsRequantizing: Bool = false
  ) throws(SanaError) {
    self.recipe = recipe
    self.rules = rules
    steps = []
    let recipeRules = try Matcher.all(recipe.rules)
    var userRules = try Matcher.all(rules)
    for component in file.components {
      guard let kind = component.kind else {
        throw SanaError(
          .unsupported,
          "component '\(component.name.abbreviated)' is not one that can be quantized",
          remedy: "use a newer version", location: file.path)
      }
      for tensor in component.tensors where !InstructionTensors.contain(tensor.name, in: kind) {
        var target = Self.base(of: tensor.description, recipe: recipe)
        var isExplicit = false
        for rule in recipeRules where rule.matches(tensor.description, of: kind) {
          target = rule.rule.target.resolved(for: tensor.description)
        }
        for index in userRules.indices where userRules[index].matches(tensor.description, of: kind)
        {
          userRules[index].isUsed = true
          target = userRules[index].rule.target.resolved(for: tensor.description)
          isExplicit = true
        }
        steps.append(
          Step(component: kind, source: tensor, target: target, isExplicit: isExplicit))
      }
    }
    let rewritten = Set(
      steps.filter { !$0.isCopy }.map {
        ExactString("\($0.component.rawValue)/\(InputFactors.name(of: $0.source.name))")
      })
    steps.removeAll { rewritten.contains(ExactString($0.qualifiedName)) }
    if let unused = userRules.first(where: { !$0.isUsed }) {
      throw SanaError(
        .invalidArgument, "the rule '\(unused.rule)' fits no tensor",
        remedy: "see the names with sana-convert inspect --tensors", location: file.path)
    }
    let quantized = steps.first { $0.source.description.encoding.isQuantized && !$0.isCopy }
    if let quantized, !allowsRequantizing {
      throw SanaError(
        .invalidArgument,
        "tensor '\(quantized.source.name.abbreviated)' is already \(quantized.source.description.encoding)",
        remedy: "start from the unquantized model, or pass --allow-requantize", location: file.path)
    }
  }

  private static func base(of description: TensorDescription, recipe: Recipe) -> TensorTarget {
    if case .plain = description.encoding { return TensorTarget(description.encoding) }
    let isSmall = description.shape.count < 2 || description.name.hasSuffix("scale_shift_table")
    return TensorTarget(isSmall ? .f32 : recipe.base)
  }

  /// A rule with its compiled expression.
  private struct Matcher {
    let rule: QuantizationRule
    let expression: Regex<AnyRegexOutput>
    var isUsed = false

    static func all(_ rules: [QuantizationRule]) throws(SanaError) -> [Matcher] {
      var matchers: [Matcher] = []
      for rule in rules {
        matchers.append(Matcher(rule: rule, expression: try rule.compiled()))
      }
      return matchers
    }

    func matches(_ description: TensorDescription, of component: ComponentKind) -> Bool {
      let name = "\(component.rawValue)/\(description.name)"
      return rule.target.fits(description) && name.firstMatch(of: expression) != nil
    }
  }
}
