public import Support

/// Official weights as diffusers and transformers store them: a whole pipeline, one component, or
/// one file.
///
/// Opening reads and checks everything but the tensors' bytes.
public struct OfficialCheckpoint: Sendable {
  /// As the user named it.
  public let path: String
  /// `model_index.json` as the file has it, but for a ControlNet: without it the pipeline is a
  /// `SanaPipeline`. `nil` for a single component.
  public internal(set) var modelIndex: MetadataValue?
  /// In the order text encoder, transformer, autoencoder.
  public internal(set) var components: [OfficialComponent]
  /// Where the autoencoder comes from, if not from the checkpoint itself.
  public internal(set) var autoencoderPath: String?
  public let scheduler: SchedulerConfiguration?
  /// `scheduler_config.json` as the file has it.
  public let schedulerDocument: MetadataValue?
  /// The tokenizer's files; empty without a text encoder.
  public let tokenizer: [OfficialDocument]
  /// The SentencePiece model made of a `tokenizer.json`; `nil` where a `tokenizer.model` gives the
  /// same ids.
  let madeTokenizerModel: OfficialDocument?
  /// Licence files found at the top of the checkpoint.
  public internal(set) var licences: [OfficialDocument]
  public let hasReadme: Bool
  /// What the person should know and no error says: fallbacks taken, files that later steps will
  /// miss.
  public internal(set) var notices: [String]

  /// The SentencePiece model that gives the ids of a text.
  package var tokenizerModel: OfficialDocument? {
    madeTokenizerModel ?? tokenizer.first { $0.name == TokenizerFiles.model }
  }

  /// The class of the pipeline: `SanaPipeline`. `nil` for a single component.
  public var pipelineClass: String? { modelIndex?["_class_name"]?.stringValue }

  /// - Parameters:
  ///   - path: a pipeline's folder (`model_index.json`), a component's folder (`config.json`), or a
  ///     `.safetensors` file.
  ///   - variant: which weights to prefer: `fp16` for `*.fp16.safetensors`. A component without
  ///     them falls back to the plain ones (the text encoder has no variants in the releases), but
  ///     one at least must have them.
  ///   - kinds: the components wanted; `nil` for all there are.
  ///   - state: which of a torch file's dictionaries is wanted; `nil` for the weights as they were
  ///     trained.
  /// - Throws: `.fileAccess`, `.malformedFile`, `.invalidConfiguration`, `.unsupported`,
  ///   `.invalidArgument`.
  public init(
    path: String, variant: String? = nil, components kinds: Set<ComponentKind>? = nil,
    state: StateSelection? = nil
  ) throws(SanaError) {
    if state != nil, FileSystem.kind(of: path) == .directory {
      throw WeightFiles.stateWithoutTorchFile(path)
    }
    if let variant, variant.isEmpty || variant.contains(where: { "/.".contains($0) }) {
      throw SanaError(
        .invalidArgument, "'\(variant)' is no name of a variant", remedy: "use fp16 or bf16")
    }
    switch FileSystem.kind(of: path) {
    case .file: try self.init(file: path, variant: variant, kinds: kinds, state: state)
    case .directory:
      if FileSystem.kind(of: FileSystem.join(path, "model_index.json")) == .file {
        try self.init(pipeline: path, variant: variant, kinds: kinds)
      } else if FileSystem.kind(of: FileSystem.join(path, "config.json")) == .file {
        try self.init(componentDirectory: path, variant: variant, kinds: kinds)
      } else if let error = Self.danglingDocument(in: path) {
        throw error
      } else {
        throw SanaError(
          .invalidArgument,
          "is no checkpoint: it holds neither model_index.json nor config.json",
          remedy: "name the folder of an official diffusers checkpoint", location: path)
      }
    case .other:
      throw SanaError(
        .invalidArgument, "is neither a file nor a folder",
        remedy: "name the folder of an official diffusers checkpoint", location: path)
    case nil:
      throw .danglingLink(path)
        ?? SanaError(
          .fileAccess, "does not exist",
          remedy: "name the folder of an official diffusers checkpoint", location: path)
    }
  }

  /// The document that would make a folder a checkpoint is a link that leads nowhere.
  static func danglingDocument(in path: String) -> SanaError? {
    .danglingLink(FileSystem.join(path, "model_index.json"))
      ?? .danglingLink(FileSystem.join(path, "config.json"))
  }

  private init(
    path: String, modelIndex: MetadataValue?, components: [OfficialComponent],
    scheduler: OfficialScheduler, tokenizerDirectories: [String], variant: String?,
    notices leadingNotices: [String] = []
  ) throws(SanaError) {
    self.path = path
    self.modelIndex = modelIndex
    self.components = components
    var notices = components.flatMap { component in
      component.notices.map { "\(component.kind.rawValue): \($0)" }
    }
    if let variant {
      let plain = components.filter { $0.variant == nil }.map(\.kind.rawValue)
      guard plain.count < components.count else {
        let others = Set(components.flatMap(\.availableVariants)).sorted()
        let remedy =
          others.first.map { "drop --variant for the plain files, or use --variant \($0)" }
          ?? "drop --variant"
        throw SanaError(
          .invalidArgument,
          "holds no '\(variant)' variant of any component "
            + (others.isEmpty
              ? "(it has no variants)" : "(it has: \(others.joined(separator: ", ")))"),
          remedy: remedy, location: path)
      }
      notices += plain.map { "\($0) has no '\(variant)' variant: its plain files are used" }
    }
    schedulerDocument = scheduler.document
    self.scheduler = scheduler.configuration
    notices += scheduler.notices

    let hasTextEncoder = components.contains { $0.kind == .textEncoder }
    if hasTextEncoder {
      let (files, directory) = try Self.tokenizer(in: tokenizerDirectories)
      let made = try TokenizerFiles.makeModel(for: files, in: directory)
      tokenizer = files
      madeTokenizerModel = made.model
      if let notice = made.notice { notices.append(notice) }
    } else {
      tokenizer = []
      madeTokenizerModel = nil
    }
    var licences: [OfficialDocument] = []
    var hasReadme = false
    if FileSystem.kind(of: path) == .directory {
      for name in try FileSystem.names(in: path)
      where FileSystem.kind(of: FileSystem.join(path, name)) == .file {
        let upper = name.uppercased()
        if ["LICENSE", "LICENCE", "NOTICE"].contains(where: { upper.hasPrefix($0) }) {
          licences.append(try OfficialDocument(in: path, named: name))
        }
        hasReadme = hasReadme || upper == "README.MD"
      }
    }
    self.licences = licences
    self.hasReadme = hasReadme
    self.notices = leadingNotices + notices
  }

  private init(
    file path: String, variant: String?, kinds: Set<ComponentKind>?, state: StateSelection?
  ) throws(SanaError) {
    guard variant == nil else {
      throw SanaError(
        .invalidArgument, "a single file has no variants", remedy: "drop --variant", location: path)
    }
    let component = try OfficialComponent(file: path, state: state)
    try Self.check(component.kind, isIn: kinds, location: path)
    try self.init(
      path: path, modelIndex: nil, components: [component], scheduler: .none,
      tokenizerDirectories: Self.tokenizerDirectories(beside: FileSystem.parent(of: path)),
      variant: nil)
  }

  private init(
    componentDirectory path: String, variant: String?, kinds: Set<ComponentKind>?
  ) throws(SanaError) {
    let component = try OfficialComponent(directory: path, variant: variant)
    try Self.check(component.kind, isIn: kinds, location: path)
    try self.init(
      path: path, modelIndex: nil, components: [component], scheduler: .none,
      tokenizerDirectories: Self.tokenizerDirectories(beside: path), variant: variant)
  }

  private init(
    pipeline path: String, variant: String?, kinds: Set<ComponentKind>?
  ) throws(SanaError) {
    let indexPath = FileSystem.join(path, "model_index.json")
    let index = try JSONParser.parse(file: indexPath)
    guard let className = index["_class_name"]?.stringValue, index.members != nil else {
      throw SanaError(
        .invalidConfiguration, "'_class_name' is missing",
        remedy: "download the checkpoint again", location: indexPath)
    }
    try PipelineClass.check(className, location: indexPath)

    var present: Set<ComponentKind> = []
    var controlNets: [String] = []
    for (name, memberClass) in PipelineClass.parts(of: index) {
      if let kind = ComponentKind.allCases.first(where: { $0.officialFolder == name }) {
        guard try ComponentKind(officialClass: memberClass, location: indexPath) == kind else {
          throw SanaError(
            .unsupported, "names the class '\(memberClass.abbreviated)' for '\(name)'",
            remedy: "use an official Sana checkpoint", location: indexPath)
        }
        present.insert(kind)
      } else if PipelineClass.isControlNet(memberClass) {
        controlNets.append(name)
      } else if kinds == nil {
        _ = try ComponentKind(officialClass: memberClass, location: indexPath)
        throw SanaError(
          .unsupported, "lists an unknown component '\(name.abbreviated)'",
          remedy: "name the components to convert (--components)", location: indexPath)
      }
    }
    if let missing = kinds?.subtracting(present).map(\.rawValue).min() {
      throw SanaError(
        .invalidArgument, "lists no \(missing)", remedy: "correct --components",
        location: indexPath)
    }
    let wanted = ComponentKind.allCases.filter { (kinds ?? present).contains($0) }
    guard !wanted.isEmpty else {
      throw SanaError(
        .invalidConfiguration, "lists no component",
        remedy: "use an official Sana checkpoint", location: indexPath)
    }
    var components: [OfficialComponent] = []
    for kind in wanted {
      let directory = FileSystem.join(path, kind.officialFolder)
      guard FileSystem.kind(of: directory) == .directory else {
        throw .danglingLink(directory)
          ?? SanaError(
            .fileAccess,
            "lists a \(kind.rawValue), but there is no folder '\(kind.officialFolder)'",
            remedy: "download it, or leave it out with --components", location: indexPath)
      }
      let component = try OfficialComponent(directory: directory, variant: variant, role: kind)
      guard component.kind == kind else {
        throw SanaError(
          .invalidConfiguration,
          "holds the class \(component.kind.officialClass), where model_index.json names \(kind.officialClass)",
          remedy: "download the checkpoint again", location: directory)
      }
      components.append(component)
    }
    var scheduler = OfficialScheduler.none
    if let schedulerClass = index["scheduler"]?.arrayValue?.last?.stringValue {
      scheduler = try OfficialScheduler(
        named: schedulerClass, path: FileSystem.join(path, "scheduler/scheduler_config.json"),
        for: components)
    }
    try self.init(
      path: path, modelIndex: PipelineClass.withoutControlNets(index), components: components,
      scheduler: scheduler,
      tokenizerDirectories: [FileSystem.join(path, "tokenizer")], variant: variant,
      notices: controlNets.map {
        "'\($0)' is left out: a ControlNet is not run yet; the pipeline without it is converted"
      })
  }

  private static func check(
    _ kind: ComponentKind, isIn kinds: Set<ComponentKind>?, location: String
  ) throws(SanaError) {
    if let kinds, kinds != [kind] {
      throw SanaError(
        .invalidArgument, "is a \(kind.rawValue) and nothing else", remedy: "drop --components",
        location: location)
    }
  }

  /// A text encoder that stands alone has its tokenizer with it, or beside it as in a pipeline.
  private static func tokenizerDirectories(beside directory: String) -> [String] {
    [directory, FileSystem.join(directory, "../tokenizer")]
  }

  /// The tokenizer's files, from the first of the folders that has any.
  private static func tokenizer(
    in directories: [String]
  ) throws(SanaError) -> (files: [OfficialDocument], directory: String) {
    let names = [
      TokenizerFiles.model, TokenizerDocument.fileName, "tokenizer_config.json",
      "special_tokens_map.json",
      "added_tokens.json", "chat_template.jinja",
    ]
    for directory in directories {
      var documents: [OfficialDocument] = []
      for name in names {
        let path = FileSystem.join(directory, name)
        if let error = SanaError.danglingLink(path) { throw error }
        guard FileSystem.kind(of: path) == .file else { continue }
        let document = try OfficialDocument(in: directory, named: name)
        try document.check(in: directory)
        documents.append(document)
      }
      if !documents.isEmpty { return (documents, directory) }
    }
    return ([], "")
  }
}
