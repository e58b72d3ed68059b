internal import Support

/// How strongly an adapter's matrices are added, and what says so.
///
/// A matrix is multiplied by `alpha / rank`, or `alpha / sqrt(rank)` where the adapter is
/// stabilized (https://arxiv.org/abs/2312.03732).
package struct AdapterScaling: Sendable {
  /// What states an alpha.
  package enum Source: Hashable, Sendable {
    /// A tensor of the module.
    case tensor
    /// An entry of the safetensors header.
    case header(String)
    /// `adapter_config.json` beside the file.
    case file
    /// Nothing does: it is the rank.
    case rank
  }

  package struct Factor: Sendable {
    package let alpha: Double
    package let source: Source
    /// `alpha / rank`, or what stands for it.
    package let value: Double
  }

  /// What to say of statements that are not used.
  let notices: [String]
  /// By the prefix that the header gives to a network's keys: one for each network that it
  /// describes.
  private let header: [AdapterConfiguration]
  /// kohya's statement for the whole file.
  private let networkAlpha: Double?
  private let beside: AdapterConfiguration?
  private let path: String

  /// - Throws: `.unsupported` for adapters that change more than is in the file; `.malformedFile`.
  init(
    path: String, metadata: [String: String], modules: [AdapterModule]
  ) throws {
    self.path = path
    var header: [AdapterConfiguration] = []
    let key = "lora_adapter_metadata"
    if let text = metadata[key] {
      let location = "\(path) (\(key))"
      let document = try AdapterConfiguration.parse(text, location: location)
      header = try AdapterConfiguration.networks(
        document, source: .header(key), location: location)
    }
    self.header = header
    let ranks = Set(modules.compactMap(\.rank))
    let dimension = metadata["ss_network_dim"].flatMap(Double.init)
    let networkAlpha = metadata["ss_network_alpha"].flatMap(Double.init)
    self.networkAlpha =
      networkAlpha?.isFinite == true && modules.allSatisfy { $0.parts[.alpha] == nil }
        && dimension.map { dimension in ranks.allSatisfy { Double($0) == dimension } } ?? true
      ? networkAlpha : nil
    let name = FileSystem.name(of: path)
    let besidePath = FileSystem.join(FileSystem.parent(of: path), AdapterConfiguration.fileName)
    var notices: [String] = []
    var beside: AdapterConfiguration?
    if header.isEmpty, FileSystem.kind(of: besidePath) == .file {
      let reason: String?
      if !AdapterConfiguration.adapterNames.contains(name) {
        reason = "it is that of \(AdapterConfiguration.adapterNames[0])"
      } else {
        let configuration = try AdapterConfiguration(
          JSONParser.parse(file: besidePath), prefix: "", source: .file, besidePath)
        reason = configuration.disagreement(with: modules)
        if reason == nil { beside = configuration }
      }
      if let reason {
        notices.append("\(AdapterConfiguration.fileName) beside it is not used: \(reason)")
      }
    }
    self.notices = notices
    self.beside = beside
    for configuration in header + (beside.map { [$0] } ?? []) {
      try configuration.check(modules, path: path)
    }
  }

  /// What one module is multiplied by.
  func factor(of module: AdapterModule) throws -> Factor {
    let configuration = beside ?? header.first { $0.describes(module.name) }
    // The core of a Kronecker product of two whole matrices has no rank: LyCORIS multiplies it by 1
    // and writes an alpha all the same.
    guard let rank = module.rank else {
      if module.flavour == .lokr, let configuration,
        let alpha = configuration.alpha(of: module.name),
        let rank = configuration.rank(of: module.name)
      {
        return Factor(
          alpha: alpha, source: configuration.source, value: alpha / Double(max(rank, 1)))
      }
      return Factor(alpha: 1, source: .rank, value: 1)
    }
    if let alpha = try module.alpha(path: path) {
      return Factor(alpha: alpha, source: .tensor, value: alpha / Double(rank))
    }
    if let configuration, let alpha = configuration.alpha(of: module.name) {
      let divisor = configuration.isStabilized ? Double(rank).squareRoot() : Double(rank)
      return Factor(alpha: alpha, source: configuration.source, value: alpha / divisor)
    }
    if let networkAlpha {
      return Factor(
        alpha: networkAlpha, source: .header("ss_network_alpha"),
        value: networkAlpha / Double(rank))
    }
    return Factor(alpha: Double(rank), source: .rank, value: 1)
  }
}

extension AdapterScaling.Source {
  /// For notes: `from its tensors`.
  var phrase: String {
    switch self {
    case .tensor: "from its tensors"
    case .header(let key): "from \(key) in its header"
    case .file: "from \(AdapterConfiguration.fileName) beside it"
    case .rank: "from the rank, since nothing states it"
    }
  }

  /// For the file that it was merged into.
  var label: String {
    switch self {
    case .tensor: "tensor"
    case .header(let key): key
    case .file: AdapterConfiguration.fileName
    case .rank: "rank"
    }
  }
}
