public import Support
internal import Synchronization

/// From an official checkpoint to a `.sana` file.
///
/// Every tensor is read once, band by band, fused, rounded, compressed and written, on all cores;
/// memory is bounded by a few bands a core.
public struct CheckpointConversion: Sendable {
  private struct Component: Sendable {
    let official: OfficialComponent
    let source: FusedCheckpointSource
  }

  private let checkpoint: OfficialCheckpoint
  private let precision: StoragePrecision
  private let components: [Component]
  private let merging: AdapterMerging
  private let allowsNotFinite: Bool
  private let agreementNotice: String?

  /// Checks all that can be checked without reading the tensors.
  /// - Parameters:
  ///   - adapters: are merged into the transformer and the text encoder, one after the other.
  ///   - allowsNotFinite: whether NaN and infinities are kept instead of refused.
  /// - Throws: `.tensorMismatch` when a component's tensors are not those of its configuration;
  ///   `.invalidConfiguration` when the components do not belong together.
  public init(
    _ checkpoint: OfficialCheckpoint, precision: StoragePrecision = .keep,
    adapters: [LowRankAdapter] = [], allowsNotFinite: Bool = false
  ) throws(SanaError) {
    self.checkpoint = checkpoint
    self.allowsNotFinite = allowsNotFinite
    self.precision = precision
    if let adapter = adapters.first,
      !checkpoint.components.contains(where: { $0.kind != .autoencoder })
    {
      throw SanaError(
        .invalidArgument, "a LoRA needs a transformer or a text encoder, and none is converted",
        remedy: "drop --lora or convert the transformer too", location: adapter.path)
    }
    merging = try AdapterMerging(adapters, networks: checkpoint.adaptableNetworks)
    var components: [Component] = []
    for official in checkpoint.components {
      let weights = merging.adapted(official.weights, of: official.kind)
      components.append(
        Component(
          official: official,
          source: try FusedCheckpointSource(weights, configuration: official.configuration)))
    }
    self.components = components
    agreementNotice = try ComponentAgreement.check(checkpoint)
  }

  /// What the person should know and no error says.
  public var notices: [String] {
    checkpoint.notices + [agreementNotice].compactMap(\.self) + merging.notices
  }

  /// Bytes of all tensors before compression, the measure of progress.
  public var byteCount: Int {
    components.reduce(0) { total, component in
      component.source.layout.rules.reduce(total) {
        $0 + description(of: $1, in: component.source).valueByteCount
      }
    }
  }

  /// Writes the file. It appears under its name when it is complete.
  /// - Parameters:
  ///   - provenance: what the tool adds about itself: name, version, options.
  ///   - compression: which chunks are compressed.
  ///   - times: receives the time of every stage.
  ///   - progress: told how many of `byteCount` are done, from any thread.
  /// - Returns: what happened to the numbers that the person should know.
  /// - Throws: `.fileAccess`; `.numericalFailure` naming the tensors that hold NaN or infinity, or
  ///   numbers too large for the precision asked for; `.cancelled`.
  @discardableResult
  public func write(
    to path: String, provenance: [MetadataValue.Member] = [],
    compression: ContainerCompression = .fast, times: StageTimes = StageTimes(),
    cancellation: CancellationToken = CancellationToken(),
    progress: @escaping @Sendable (Int) -> Void = { _ in }
  ) throws -> ConversionReport {
    let writer = try ContainerWriter(path: path, compression: compression, times: times)
    let digests = FileDigests(files.map(\.file.path), times: times)
    let loraDigests = FileDigests(merging.adapters.map(\.path), times: times)
    let done = ByteCounter(progress)
    let losses = NarrowingLosses()
    let notFinite = NotFiniteNumbers()
    for adapter in merging.adapters { try adapter.count(into: notFinite) }
    for component in components {
      try writer.beginComponent(component.official.kind, metadata: metadata(of: component))
      for rule in component.source.layout.rules {
        try append(
          rule, of: component.source, to: writer, times, losses, notFinite, cancellation, done)
      }
      if component.official.kind == .textEncoder {
        for document in checkpoint.tokenizer { try writer.append(document) }
        if let model = checkpoint.madeTokenizerModel { try writer.append(model) }
      }
    }
    try writer.finish {
      try cancellation.check()
      if !allowsNotFinite { try check(notFinite.tensors) }
      try losses.check(precision)
      return metadata(
        provenance: provenance, digests: try digests.values(), loras: try loraDigests.values(),
        notFinite: notFinite.tensors)
    }
    return ConversionReport(
      vanished: losses.vanished, notFinite: notFinite.tensors, path: checkpoint.path)
  }

  private func check(_ tensors: [NotFiniteTensor]) throws(SanaError) {
    guard let first = tensors.first else { return }
    throw SanaError(
      .numericalFailure, NotFiniteNumbers.summary(tensors, of: checkpoint.path),
      remedy: first.path == nil
        ? "merge the LoRA with a smaller scale, or pass --allow-non-finite to keep them"
        : "use weights without them, or pass --allow-non-finite to keep them",
      location: checkpoint.path)
  }

  private func description(
    of rule: FusionRule, in source: FusedCheckpointSource
  ) -> TensorDescription {
    let type = precision.type(of: rule.fusedType(of: source.sourceTypes(of: rule)))
    return TensorDescription(name: rule.name, shape: rule.shape, encoding: type.encoding)
  }

  private func append(
    _ rule: FusionRule, of source: FusedCheckpointSource, to writer: ContainerWriter,
    _ times: StageTimes, _ losses: NarrowingLosses, _ notFinite: NotFiniteNumbers,
    _ cancellation: CancellationToken, _ done: ByteCounter
  ) throws {
    let elements = try source.elements(of: rule)
    let native = rule.fusedType(of: elements.map(\.type))
    let type = precision.type(of: rule.fusedType(of: source.sourceTypes(of: rule)))
    let tensor = "\(source.layout.kind.rawValue)/\(rule.name)"
    let origins = source.origins(of: rule)
    // Sums of finite numbers may be infinite.
    let isComputed = rule.fusion == .upsamplePhases || elements.contains(where: \.isComputed)
    try writer.append(description(of: rule, in: source), metadata: { rule.metadata }) { band in
      try cancellation.check()
      let ranges = rule.sourceRanges(of: band.rows)
      for (source, range) in zip(elements, ranges) {
        try times.measure(.read, byteCount: range.count * source.type.byteCount) {
          try source.populate(range)
        }
      }
      times.measure(.transform, byteCount: band.values.count) {
        for (index, range) in rule.ownRanges(of: band.rows).enumerated() {
          notFinite.add(elements[index].countNotFinite(in: range), from: origins[index])
        }
        var computed = NotFiniteCount()
        if type != native {
          computed = losses.fuse(
            rule, elements, rows: band.rows, as: type, into: band.values, tensor: tensor)
        } else {
          rule.fuse(elements, rows: band.rows, as: type, into: band.values)
          if isComputed {
            computed = NotFiniteCount(in: UnsafeRawBufferPointer(band.values), of: type)
          }
        }
        if isComputed { notFinite.add(computed, tensor: tensor, path: nil) }
      }
      for (source, range) in zip(elements, ranges) { source.evict(range) }
      done.add(band.values.count)
    }
  }

  private func metadata(of component: Component) -> MetadataValue {
    let types = component.source.layout.rules.flatMap { rule in
      zip(rule.sources, component.source.sourceTypes(of: rule)).map {
        (name: $0.name, type: $1)
      }
    }
    return [
      ModelMetadata.configuration: component.official.document,
      ModelMetadata.variant: component.official.variant.map { .string($0) } ?? .null,
      ModelMetadata.sourceTypes: SourceTypes(types).metadata,
    ]
  }

  /// The files that the tensors come from.
  private var files: [(kind: ComponentKind, file: SourceFile)] {
    components.flatMap { component in
      component.official.weights.sourceFiles.map { (component.official.kind, $0) }
    }
  }

  private func metadata(
    provenance: [MetadataValue.Member], digests: [String], loras loraDigests: [String],
    notFinite: [NotFiniteTensor]
  ) -> MetadataValue {
    let files = zip(files, digests).map { item, digest -> MetadataValue in
      let (kind, file) = item
      let members: [MetadataValue.Member] = [
        .init("component", .string(kind.rawValue)),
        .init("folder", .string(ComponentKind.folderName(of: file.path))),
        .init("name", .string(FileSystem.name(of: file.path))),
        .init("bytes", .integer(Int64(file.byteCount))),
        .init("sha256", .string(digest)),
      ]
      return .object(members + (file.dictionary.map { [.init("state", .string($0))] } ?? []))
    }
    let loras = zip(merging.adapters, loraDigests).map { $0.provenance(digest: $1) }
    let provenance =
      provenance + [
        .init("precision", .string(precision.rawValue)),
        .init("files", .array(files)),
        .init("loras", .array(loras)),
        .init("has_readme", .bool(checkpoint.hasReadme)),
      ]
      + (notFinite.isEmpty ? [] : [.init("not_finite", .array(notFinite.map(\.provenance)))])
    return [
      ModelMetadata.modelIndex: checkpoint.modelIndex ?? .null,
      ModelMetadata.scheduler: checkpoint.schedulerDocument ?? .null,
      ModelMetadata.provenance: .object(provenance),
      ModelMetadata.licences: .object(
        checkpoint.licences.map { .init($0.name, $0.metadata) }),
    ]
  }
}

/// What a conversion did with numbers that a person should know and that is no failure.
public struct ConversionReport: Sendable {
  /// Tensors in which numbers were too small for the precision asked for, those with most first.
  public let vanished: [VanishedNumbers]
  /// Tensors whose NaN and infinities were kept, as was asked for.
  public let notFinite: [NotFiniteTensor]
  fileprivate let path: String

  /// What to say of them; `nil` where there are none.
  public var keptNumbers: String? {
    notFinite.isEmpty
      ? nil : "\(NotFiniteNumbers.summary(notFinite, of: path)); they are kept"
  }
}

extension FusionRule {
  /// What was fused, for those who read the file: nothing for a tensor that stayed what it was.
  fileprivate var metadata: MetadataValue {
    guard fusion != .reshape || sources.map(\.name) != [name] else { return .object([]) }
    return [
      ModelMetadata.fusion: .string(fusion.rawValue),
      ModelMetadata.sources: .array(sources.map { .string($0.name) }),
    ]
  }
}

extension OfficialDocument {
  /// Text where the contents are text.
  fileprivate var metadata: MetadataValue {
    String(validating: contents, as: UTF8.self).map { .string($0) } ?? .bytes(contents)
  }
}

extension ContainerWriter {
  /// Writes a document's bytes as a tensor.
  fileprivate func append(_ document: OfficialDocument) throws {
    try append(
      TensorDescription(
        name: document.name, shape: [document.contents.count], encoding: .plain(.u8))
    ) { band in
      document.contents[band.rows].withUnsafeBytes { band.values.copyMemory(from: $0) }
    }
  }
}

/// Adds up the bytes that are done, from any thread, and passes the sum on.
final class ByteCounter: Sendable {
  private let done = Mutex(0)
  private let report: @Sendable (Int) -> Void

  init(_ report: @escaping @Sendable (Int) -> Void) { self.report = report }

  func add(_ count: Int) {
    done.withLock {
      $0 += count
      report($0)
    }
  }
}
