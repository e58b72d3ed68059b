/// One network of an official checkpoint: its configuration and its tensors, still in the files.
public struct OfficialComponent: Sendable {
  public let configuration: ComponentConfiguration
  /// The configuration as its file has it, or that of the release which the tensors reveal.
  public let document: MetadataValue
  package let weights: any CheckpointTensors
  /// The variant that the files are of (`fp16`), or `nil` for the plain ones.
  public let variant: String?
  /// The variants that its folder has.
  public let availableVariants: [String]
  /// What the person should know of how it was read.
  public let notices: [String]

  public var kind: ComponentKind { configuration.kind }

  /// A component's folder: `config.json` and weights.
  init(directory: String, variant: String?) throws(SanaError) {
    let path = FileSystem.join(directory, "config.json")
    let document = try JSONParser.parse(file: path)
    let kind = try ComponentKind(configuration: document, location: path)
    configuration = try ComponentConfiguration(kind, official: document, location: path)
    self.document = document
    let found = try WeightFiles.locate(in: directory, variant: variant)
    weights = try Self.officiallyNamed(try found.open(), location: directory)
    self.variant = found.variant
    availableVariants = try WeightFiles.variants(in: directory)
    notices = []
  }

  /// One file of weights: safetensors or a torch file, under diffusers' names or NVlabs' own. Its configuration is the
  /// `config.json` beside it, or that of the only release that has such tensors.
  /// - Parameter state: which of a torch file's dictionaries is wanted.
  init(file path: String, state: StateSelection? = nil) throws(SanaError) {
    let tensors = try WeightFiles.open(file: path, state: state)
    try self.init(
      Self.officiallyNamed(tensors, location: path), file: path,
      notices: [(tensors as? TorchFile)?.notice].compactMap { notice in
        notice.map { "\(FileSystem.name(of: path).abbreviated): \($0)" }
      })
  }

  /// The same, of weights that are open already.
  init(
    _ weights: any CheckpointTensors, file path: String, notices: [String] = []
  ) throws(SanaError) {
    self.weights = weights
    self.notices = notices
    variant = nil
    availableVariants = []
    guard let kind = try ComponentKind(recognizing: weights, location: path) else {
      guard !LowRankAdapter.isAdapter(weights) else {
        throw SanaError(
          .invalidArgument, "is a LoRA, not a model",
          remedy: "convert the model that it was made for, and merge it with --lora \(path)",
          location: path)
      }
      throw SanaError(
        .unsupported, "holds the tensors of no Sana component",
        remedy: "name a file of a Gemma-2 encoder, a Sana transformer or a DC-AE", location: path)
    }
    let configurationPath = FileSystem.join(FileSystem.parent(of: path), "config.json")
    guard FileSystem.kind(of: configurationPath) == .file else {
      document = try ReleasedConfigurations.infer(kind, from: weights, location: path)
      configuration = try ComponentConfiguration(kind, official: document, location: path)
      return
    }
    document = try JSONParser.parse(file: configurationPath)
    let describedKind = try ComponentKind(configuration: document, location: configurationPath)
    guard describedKind == kind else {
      throw SanaError(
        .invalidConfiguration,
        "describes a \(describedKind.rawValue), but the file beside it holds a \(kind.rawValue)",
        remedy: "put the weights' own config.json there", location: configurationPath)
    }
    configuration = try ComponentConfiguration(
      kind, official: document, location: configurationPath)
  }

  static func officiallyNamed(
    _ tensors: any CheckpointTensors, location: String
  ) throws(SanaError) -> any CheckpointTensors {
    try RenamedTensors(tensors, location: location) ?? tensors
  }
}
