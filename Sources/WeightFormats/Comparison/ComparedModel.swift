public import Support

/// One side of a comparison: a `.sana` file, or an official checkpoint seen as the tensors that a
/// conversion without rounding would write.
public struct ComparedModel: Sendable {
  public enum Form: String, Hashable, Sendable {
    case container
    case checkpoint
  }

  struct Tensor: Sendable {
    let description: TensorDescription
    let source: any RowSource
    /// Where it lies in its container; `nil` for a checkpoint's.
    let entry: TensorEntry?
  }

  struct Component: Sendable {
    let name: String
    let tensors: [Tensor]
  }

  /// A document that says how the model is run.
  struct Setting: Sendable {
    /// What it says, where that is understood.
    enum Meaning: Hashable, Sendable {
      case component(ComponentConfiguration)
      case scheduler(SchedulerConfiguration)
    }

    let name: String
    let document: MetadataValue
    let meaning: Meaning?
  }

  public let path: String
  public let form: Form
  /// What the person should know about a checkpoint and no error says.
  public let notices: [String]
  let components: [Component]
  /// What gives the ids of a text; `nil` where there is none, or none that can be read.
  let tokenizer: SentencePieceModel?
  /// The pipeline's index, its scheduler, the components' configurations.
  let settings: [Setting]
  /// What only tells where the model comes from; `nil` for a checkpoint.
  let origin: MetadataValue?

  /// Opens a model; a file is a container if it begins like one or its name ends in `.sana`.
  /// - Parameters:
  ///   - variant: the file set to prefer, for a checkpoint.
  ///   - kinds: the components wanted, without what concerns the pipeline as a whole; `nil` for
  ///     everything.
  /// - Throws: what opening a `ModelFile` or an `OfficialCheckpoint` throws; `.tensorMismatch` for
  ///   tensors that are not those of the configuration, or when a wanted component is not there.
  public init(
    path: String, variant: String? = nil, components kinds: Set<ComponentKind>? = nil
  ) throws(SanaError) {
    if try ModelFile.isContainer(path) {
      self.init(try ModelFile(path: path), components: kinds)
    } else {
      try self.init(
        OfficialCheckpoint(path: path, variant: variant, components: kinds), components: kinds)
    }
    for kind in ComponentKind.allCases where kinds?.contains(kind) == true {
      guard components.contains(where: { $0.name == kind.rawValue }) else {
        throw SanaError(
          .tensorMismatch, "has no \(kind.rawValue)", remedy: "correct --components",
          location: path)
      }
    }
  }

  private init(_ file: ModelFile, components kinds: Set<ComponentKind>?) {
    path = file.path
    form = .container
    notices = []
    let held = file.components.filter { component in
      kinds == nil || component.kind.map { kinds?.contains($0) == true } == true
    }
    components = held.map { component in
      let source = ComponentSource(file: file, component: component)
      return Component(
        name: component.name,
        tensors: component.tensors.map {
          Tensor(description: $0.description, source: source, entry: $0)
        })
    }
    tokenizer = held.first { $0.kind == .textEncoder }.flatMap { component in
      let source = ComponentSource(file: file, component: component)
      guard let name = TokenizerFiles.decidingModel(among: component.tensors.map(\.name)),
        let contents = try? source.load(name).values
      else { return nil }
      return try? SentencePieceModel(withExtendedLifetime(contents) { Array(contents.bytes) })
    }
    let shared = [ModelMetadata.modelIndex, ModelMetadata.scheduler]
    var settings: [Setting] = []
    if kinds == nil {
      settings = Self.settings(
        modelIndex: file.metadata[ModelMetadata.modelIndex],
        schedulerDocument: file.metadata[ModelMetadata.scheduler],
        scheduler: (try? file.schedulerConfiguration()) ?? nil)
    }
    self.settings =
      settings
      + held.map { component in
        Setting(
          name: component.name,
          document: component.metadata[ModelMetadata.configuration] ?? .null,
          meaning: component.kind.flatMap { try? file.configuration(of: $0) }.map {
            .component($0)
          })
      }
    origin = .object(
      (file.metadata.members ?? []).filter { !shared.contains($0.name) }
        + held.map { component in
          .init(
            component.name,
            .object(
              (component.metadata.members ?? []).filter { $0.name != ModelMetadata.configuration }))
        })
  }

  private init(
    _ checkpoint: OfficialCheckpoint, components kinds: Set<ComponentKind>?
  ) throws(SanaError) {
    path = checkpoint.path
    form = .checkpoint
    notices = checkpoint.notices
    origin = nil
    var components: [Component] = []
    for official in checkpoint.components {
      let source = try FusedCheckpointSource(official)
      var tensors = source.layout.rules.map {
        Tensor(description: source.description(of: $0), source: source, entry: nil)
      }
      if official.kind == .textEncoder {
        let documents = DocumentSource(documents: checkpoint.tokenizer)
        tensors += documents.descriptions.map {
          Tensor(description: $0, source: documents, entry: nil)
        }
      }
      components.append(Component(name: official.kind.rawValue, tensors: tensors))
    }
    self.components = components
    tokenizer = checkpoint.tokenizerModel.flatMap { try? SentencePieceModel($0.contents) }
    var settings: [Setting] = []
    if kinds == nil {
      settings = Self.settings(
        modelIndex: checkpoint.modelIndex, schedulerDocument: checkpoint.schedulerDocument,
        scheduler: checkpoint.scheduler)
    }
    self.settings =
      settings
      + checkpoint.components.map {
        Setting(
          name: $0.kind.rawValue, document: $0.document, meaning: .component($0.configuration))
      }
  }

  private static func settings(
    modelIndex: MetadataValue?, schedulerDocument: MetadataValue?,
    scheduler: SchedulerConfiguration?
  ) -> [Setting] {
    [
      Setting(name: ModelMetadata.modelIndex, document: modelIndex ?? .null, meaning: nil),
      Setting(
        name: ModelMetadata.scheduler, document: schedulerDocument ?? .null,
        meaning: scheduler.map { .scheduler($0) }),
    ]
  }
}

extension ModelFile {
  /// Whether a path is meant as a `.sana` file: it begins like one or is named so.
  /// - Throws: `.fileAccess` when there is a file that cannot be read.
  public static func isContainer(_ path: String) throws(SanaError) -> Bool {
    guard FileSystem.kind(of: path) == .file else { return false }
    if path.hasSuffix(".sana") { return true }
    let file = try MappedFile(path: path)
    return withExtendedLifetime(file) {
      file.bytes.prefix(ContainerHeader.magic.count).elementsEqual(ContainerHeader.magic)
    }
  }
}
