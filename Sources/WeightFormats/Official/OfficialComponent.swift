public import Support

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
  /// What the person should know of the files that were taken, how they were read, and the names in
  /// them.
  public let notices: [String]

  public var kind: ComponentKind { configuration.kind }

  /// A component's folder: `config.json` and weights.
  /// - Parameter role: what the pipeline says that it is, where its configuration does not.
  init(
    directory: String, variant: String?, role: ComponentKind? = nil
  ) throws(SanaError) {
    let path = FileSystem.join(directory, "config.json")
    let document = try JSONParser.parse(file: path)
    self.document = document
    let named = try ComponentKind(configuration: document, location: path) ?? role
    let found = try WeightFiles.locate(
      in: directory, variant: variant, library: OfficialLibrary(loading: named),
      named: document["transformers_weights"]?.stringValue)
    let tensors = try OfficialTensors(
      found.open(), tiesEmbedding: document["tie_word_embeddings"]?.boolValue ?? true,
      location: directory)
    weights = tensors.tensors
    var kind = named
    if kind == nil { kind = try ComponentKind(recognizing: weights, location: directory) }
    guard let kind else {
      throw SanaError(
        .invalidConfiguration, "names neither a _class_name nor architectures",
        remedy: "name a folder of an official Sana checkpoint", location: path)
    }
    configuration = try ComponentConfiguration(kind, official: document, location: path)
    self.variant = found.variant
    availableVariants = try WeightFiles.variants(in: directory)
    notices = found.notices + tensors.notices
  }

  /// One file of weights: safetensors or a torch file, under diffusers' names or NVlabs' own. Its
  /// configuration is the `config.json` beside it, or that of the only release that has such
  /// tensors. A part or the index of several files stands for all of them.
  /// - Parameter state: which of a torch file's dictionaries is wanted.
  init(file path: String, state: StateSelection? = nil) throws(SanaError) {
    let files = try WeightFiles.open(file: path, state: state)
    try self.init(OfficialTensors(files, location: path), file: path)
  }

  /// The same, of weights that are open already.
  init(_ tensors: OfficialTensors, file path: String) throws(SanaError) {
    weights = tensors.tensors
    notices = tensors.notices
    variant = nil
    availableVariants = []
    guard let kind = try ComponentKind(recognizing: weights, location: path) else {
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
    let described = try ComponentKind(configuration: document, location: configurationPath)
    if let described, described != kind {
      throw SanaError(
        .invalidConfiguration,
        "describes a \(described.rawValue), but the file beside it holds a \(kind.rawValue)",
        remedy: "put the weights' own config.json there", location: configurationPath)
    }
    configuration = try ComponentConfiguration(
      kind, official: document, location: configurationPath)
  }
}
