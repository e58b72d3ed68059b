/// Which tensors an official component consists of, and which tensors of a `.sana` file they
/// become.
///
/// The table is in `ARCHITECTURE.md`, "Tensor names in a .sana file".
public struct OfficialLayout: Sendable {
  public let kind: ComponentKind
  /// One for each tensor of the container, in the order in which the network uses them.
  public let rules: [FusionRule]
  private let index: [String: Int]

  public init(_ configuration: ComponentConfiguration) {
    var rules = FusionRules()
    switch configuration {
    case .textEncoder(let configuration): rules.appendTextEncoder(configuration)
    case .transformer(let configuration): rules.appendTransformer(configuration)
    case .autoencoder(let configuration): rules.appendAutoencoder(configuration)
    }
    kind = configuration.kind
    self.rules = rules.rules
    index = Dictionary(
      uniqueKeysWithValues: rules.rules.enumerated().map { ($1.name, $0) })
  }

  /// The rule that makes this tensor of the container.
  public func rule(named name: String) -> FusionRule? { index[name].map { rules[$0] } }

  /// Every tensor of the official component.
  public var officialTensors: [OfficialTensor] { rules.flatMap(\.sources) }
}

/// Collects the rules of one component. Methods are named after PyTorch's modules.
struct FusionRules {
  private(set) var rules: [FusionRule] = []

  mutating func append(
    _ name: String, _ shape: [Int], _ fusion: FusionRule.Fusion = .reshape,
    from sources: [OfficialTensor]
  ) {
    rules.append(FusionRule(name: name, shape: shape, fusion: fusion, sources: sources))
  }

  /// A tensor that stays as it is.
  mutating func parameter(_ name: String, _ shape: [Int], officialName: String? = nil) {
    append(name, shape, from: [OfficialTensor(name: officialName ?? name, shape: shape)])
  }

  mutating func linear(
    _ name: String, inputs: Int, outputs: Int, bias: Bool, officialName: String? = nil
  ) {
    let officialName = officialName ?? name
    parameter(name + ".weight", [outputs, inputs], officialName: officialName + ".weight")
    if bias { parameter(name + ".bias", [outputs], officialName: officialName + ".bias") }
  }

  /// Several linear layers with the same input, made one.
  mutating func concatenatedLinear(
    _ name: String, of parts: [(name: String, outputs: Int)], inputs: Int, bias: Bool
  ) {
    let outputs = parts.reduce(0) { $0 + $1.outputs }
    append(
      name + ".weight", [outputs, inputs], .concatenateRows,
      from: parts.map { OfficialTensor(name: $0.name + ".weight", shape: [$0.outputs, inputs]) })
    if bias {
      append(
        name + ".bias", [outputs], .concatenateRows,
        from: parts.map { OfficialTensor(name: $0.name + ".bias", shape: [$0.outputs]) })
    }
  }

  mutating func pointwiseConvolution(_ name: String, inputs: Int, outputs: Int, bias: Bool) {
    append(
      name + ".weight", [outputs, inputs],
      from: [OfficialTensor(name: name + ".weight", shape: [outputs, inputs, 1, 1])])
    if bias { parameter(name + ".bias", [outputs]) }
  }

  mutating func convolution3x3(_ name: String, inputs: Int, outputs: Int, bias: Bool = true) {
    append(
      name + ".weight", [outputs, 3, 3, inputs], .channelsLast,
      from: [OfficialTensor(name: name + ".weight", shape: [outputs, inputs, 3, 3])])
    if bias { parameter(name + ".bias", [outputs]) }
  }

  mutating func depthwiseConvolution(_ name: String, channels: Int, kernel: Int, bias: Bool) {
    append(
      name + ".weight", [kernel, kernel, channels], .depthwiseChannelsLast,
      from: [OfficialTensor(name: name + ".weight", shape: [channels, 1, kernel, kernel])])
    if bias { parameter(name + ".bias", [channels]) }
  }

  /// Sana's gated feed-forward (`diffusers` `GLUMBConv`) without its norm.
  mutating func gatedConvolution(_ name: String, channels: Int, hidden: Int) {
    pointwiseConvolution(name + ".conv_inverted", inputs: channels, outputs: 2 * hidden, bias: true)
    depthwiseConvolution(name + ".conv_depth", channels: 2 * hidden, kernel: 3, bias: true)
    pointwiseConvolution(name + ".conv_point", inputs: hidden, outputs: channels, bias: false)
  }
}
