public import Support

/// From a `.sana` file back to the official diffusers layout: the names, shapes and types that the
/// checkpoint had. Quantized tensors are dequantized.
public struct OfficialExport: Sendable {
  private struct Component: Sendable {
    let kind: ComponentKind
    let configuration: MetadataValue
    let layout: OfficialLayout
    let source: ComponentSource
    let types: SourceTypes
  }

  /// Some rows of one tensor of the container: a unit of work.
  private struct Job: Sendable {
    let component: Component
    let rule: FusionRule
    let rows: Range<Int>
    let writer: SafetensorsWriter
  }

  /// Roughly how many numbers are decoded at once on a core, where a tensor can be cut.
  private static let elementsPerJob = 4 << 20

  private let model: ModelFile
  private let components: [Component]

  /// Checks that the file has every tensor that its configurations ask for, and no other.
  /// - Throws: `.tensorMismatch` naming the tensor; `.invalidConfiguration`, `.unsupported`,
  ///   `.malformedFile`.
  public init(_ model: ModelFile) throws(SanaError) {
    self.model = model
    var components: [Component] = []
    for kind in ComponentKind.allCases where model.component(kind) != nil {
      let source = try model.source(for: kind)
      let layout = OfficialLayout(try model.configuration(of: kind))
      for rule in layout.rules {
        guard let description = source.description(of: rule.name) else {
          throw SanaError(
            .tensorMismatch, "tensor '\(rule.name.abbreviated)' is missing from \(kind.rawValue)",
            remedy: "convert the checkpoint again", location: model.path)
        }
        guard description.shape == rule.shape, description.encoding.isWeight else {
          throw SanaError(
            .tensorMismatch,
            "tensor '\(rule.name.abbreviated)' of \(kind.rawValue) is \(description.encoding) \(description.shape), not weights \(rule.shape)",
            remedy: "convert the checkpoint again", location: model.path)
        }
      }
      let metadata = source.component.metadata
      components.append(
        Component(
          kind: kind, configuration: metadata[ModelMetadata.configuration] ?? .null,
          layout: layout, source: source,
          types: try SourceTypes(
            metadata[ModelMetadata.sourceTypes], location: "\(model.path) (\(kind.rawValue))")))
    }
    guard !components.isEmpty else {
      throw SanaError(
        .tensorMismatch, "holds no network", remedy: "convert a checkpoint first",
        location: model.path)
    }
    self.components = components
  }

  /// Bytes of all official tensors, the measure of progress.
  public var byteCount: Int {
    components.reduce(0) { total, component in
      component.layout.officialTensors.reduce(total) {
        $0 + $1.elementCount * component.types[$1.name].byteCount
      }
    }
  }

  /// Writes the folder; it appears under its name when it is complete.
  ///
  /// A file of a whole pipeline becomes a folder with `model_index.json`; one of a single component
  /// becomes that component's folder.
  /// - Parameters:
  ///   - directory: must not exist, or be empty.
  ///   - progress: told how many of `byteCount` are done, from any thread.
  /// - Throws: `.fileAccess`, `.invalidArgument`, `.corruptFile`, `.cancelled`.
  public func write(
    to directory: String, cancellation: CancellationToken = CancellationToken(),
    progress: @escaping @Sendable (Int) -> Void = { _ in }
  ) throws {
    let directory = FileSystem.withoutTrailingSlashes(directory)
    if let kind = FileSystem.kind(of: directory) {
      guard kind == .directory, try FileSystem.names(in: directory).isEmpty else {
        throw SanaError(
          .invalidArgument, "exists already", remedy: "name a folder that does not exist yet",
          location: directory)
      }
    }
    let folder = try ReplacementDirectory(path: directory)
    let done = ByteCounter(progress)
    let index = model.metadata[ModelMetadata.modelIndex] ?? .null
    if index == .null, components.count == 1 {
      try write(components[0], to: folder.temporaryPath, cancellation, done)
      if components[0].kind == .textEncoder {
        try writeDocuments(components[0], to: folder.temporaryPath)
      }
    } else {
      try writePipeline(index, to: folder.temporaryPath, cancellation, done)
    }
    for licence in model.metadata[ModelMetadata.licences]?.members ?? [] {
      try write(licence, to: folder.temporaryPath)
    }
    try cancellation.check()
    try folder.commit()
  }

  private func writePipeline(
    _ index: MetadataValue, to directory: String, _ cancellation: CancellationToken,
    _ done: ByteCounter
  ) throws {
    try write(index: index, to: directory)
    if let scheduler = model.metadata[ModelMetadata.scheduler], scheduler != .null {
      let folder = FileSystem.join(directory, "scheduler")
      try FileSystem.createDirectory(folder)
      try write(scheduler, to: folder, as: "scheduler_config.json")
    }
    for component in components {
      let folder = FileSystem.join(directory, component.kind.officialFolder)
      try FileSystem.createDirectory(folder)
      try write(component, to: folder, cancellation, done)
      if component.kind == .textEncoder {
        let folder = FileSystem.join(directory, "tokenizer")
        try FileSystem.createDirectory(folder)
        try writeDocuments(component, to: folder)
      }
    }
  }

  /// `model_index.json`, with `[null, null]`, as diffusers writes it, for components that the file
  /// does not hold.
  private func write(index: MetadataValue, to directory: String) throws(SanaError) {
    let held = Set(components.map(\.kind.officialFolder))
    let absent = Set(ComponentKind.allCases.map(\.officialFolder)).subtracting(held)
      .union(held.contains("text_encoder") ? [] : ["tokenizer"])
    let members = index.members ?? [.init("_class_name", "SanaPipeline")]
    try write(
      .object(
        members.map {
          absent.contains($0.name) && $0.value.arrayValue != nil ? .init($0.name, [nil, nil]) : $0
        }), to: directory, as: "model_index.json")
  }

  private func write(
    _ value: MetadataValue, to directory: String, as name: String
  ) throws(SanaError) {
    try ReplacementFile.write(
      JSONWriter.write(value, style: .indented), to: FileSystem.join(directory, name))
  }

  private func write(_ licence: MetadataValue.Member, to directory: String) throws(SanaError) {
    let contents: [UInt8]? =
      if case .bytes(let bytes) = licence.value { bytes } else {
        licence.value.stringValue.map { Array($0.utf8) }
      }
    guard let contents, OfficialDocument.isSafeName(licence.name) else { return }
    try ReplacementFile.write(contents, to: FileSystem.join(directory, licence.name))
  }

  /// The tokenizer's files, which the text encoder holds as plain bytes.
  private func writeDocuments(_ component: Component, to directory: String) throws {
    for entry in component.source.component.tensors
    where entry.description.encoding == .plain(.u8) && OfficialDocument.isSafeName(entry.name)
      && entry.name != TokenizerFiles.madeModel
    {
      let contents = try component.source.load(entry.name).values
      try ReplacementFile.write(
        Array(contents.bytes), to: FileSystem.join(directory, entry.name))
    }
  }

  private func write(
    _ component: Component, to directory: String, _ cancellation: CancellationToken,
    _ done: ByteCounter
  ) throws {
    try write(component.configuration, to: directory, as: "config.json")
    let name =
      component.kind == .textEncoder
      ? "model.safetensors" : "diffusion_pytorch_model.safetensors"
    let writer = try SafetensorsWriter(
      path: FileSystem.join(directory, name),
      tensors: component.layout.officialTensors.map {
        CheckpointTensor(name: $0.name, type: component.types[$0.name], shape: $0.shape)
      })
    let jobs = component.layout.rules.flatMap { rule in
      let step =
        rule.unfusesByRows ? max(Self.elementsPerJob / max(rule.columns, 1), 1) : rule.rows
      return stride(from: 0, to: rule.rows, by: step).map {
        Job(
          component: component, rule: rule, rows: $0..<min($0 + step, rule.rows), writer: writer)
      }
    }
    try Parallel.forEach(jobs.count) { index, _ in
      try cancellation.check()
      try write(jobs[index], done)
    }
    try writer.finish()
  }

  private func write(_ job: Job, _ done: ByteCounter) throws {
    let source = job.component.source
    guard let description = source.description(of: job.rule.name) else { return }
    let elements = try Self.elements(description, rows: job.rows, from: source)
    guard let elements else { return }
    let types = job.rule.sources.map { job.component.types[$0.name] }
    for piece in job.rule.unfuse(elements, rows: job.rows, to: types) {
      let bytes = piece.elements.bytes.bytes
      try job.writer.write(
        bytes, as: job.rule.sources[piece.source].name,
        at: piece.start * piece.elements.type.byteCount)
      done.add(bytes.count)
    }
  }

  /// The numbers of some rows: in f32 where they are coded or those of a transformed input.
  private static func elements(
    _ description: TensorDescription, rows range: Range<Int>, from source: ComponentSource
  ) throws -> TensorElements? {
    if description.activations.isTransformed {
      let stored = StoredRows(of: description, count: range.count)
      try stored.read(range, from: source)
      return TensorElements(
        type: .f32,
        bytes: TensorBytes(byteCount: range.count * description.columns * 4) { memory in
          stored.decode(
            0..<range.count, into: memory.bindMemory(to: Float.self), scratch: ScratchBuffer())
        })
    }
    let rows = max(description.rows, 1)
    var scales = [Float](repeating: 0, count: description.scaleCount / rows * range.count)
    return try scales.withUnsafeMutableBufferPointer { scales in
      let values = try TensorBytes(
        byteCount: description.valueByteCount / rows * range.count
      ) { memory in
        try source.read(description.name, rows: range, into: memory, scales: scales)
      }
      return description.decode(values, scales: UnsafeBufferPointer(scales), rows: range.count)
    }
  }
}

extension TensorEncoding {
  fileprivate var isWeight: Bool {
    if case .plain = self { false } else { true }
  }
}
