internal import CKernels
public import Support
internal import Synchronization
public import WeightFormats

/// Carries out a plan: reads a model tensor by tensor, encodes it on all cores in bounded memory, and writes another.
public struct Quantizer: Sendable {
  /// A tensor whose numbers are too large for the encoding that the recipe wanted.
  public struct Overflow: Hashable, Sendable {
    public let component: ComponentKind
    public let name: String
    /// How many of its numbers f16 would make infinite.
    public let count: Int
    public let largestMagnitude: Float
    public let wanted: TensorEncoding
    /// The encoding of the source, which it keeps.
    public let kept: TensorEncoding
  }

  public let file: ModelFile
  public private(set) var plan: QuantizationPlan
  /// Tensors that keep their encoding because f16 could not hold them.
  public private(set) var overflows: [Overflow] = []
  /// Where the time goes, the search for numbers beyond f16 included.
  public let times = StageTimes()
  private let sources: [ComponentKind: ComponentSource]
  private let preparer: TensorPreparer
  private let cancellation: CancellationToken

  /// Looks for numbers beyond the range of f16 in the tensors that the plan makes f16. A tensor that the recipe chose keeps its
  /// encoding instead.
  /// - Parameter statistics: what the products multiply; methods that use them do what they can
  ///   for a product without.
  /// - Throws: `.numericalFailure` when a rule of the user chose f16 for such a tensor; what reading throws.
  public init(
    file: ModelFile, plan: QuantizationPlan, method: QuantizationMethod = .nearest,
    statistics: (any InputStatistics)? = nil,
    cancellation: CancellationToken = CancellationToken()
  ) throws {
    self.file = file
    self.plan = plan
    self.cancellation = cancellation
    preparer = TensorPreparer(
      method: method, statistics: statistics, times: times, cancellation: cancellation)
    var sources: [ComponentKind: ComponentSource] = [:]
    for kind in Set(plan.steps.map(\.component)) { sources[kind] = try file.source(for: kind) }
    self.sources = sources
    try findOverflows()
  }

  /// Writes the quantized model.
  /// - Parameters:
  ///   - tool: name and version of the program, for the provenance in the file.
  ///   - compression: which chunks are compressed.
  ///   - derived: tensors that were computed from a network's weights, to stand behind these.
  ///   - progress: told how many raw bytes of the source are done, from any thread.
  /// - Throws: `.numericalFailure` naming the tensors that hold NaN or infinity; `.cancelled`; what
  ///   reading and writing throw. Nothing stands under `path` then that was not there before.
  public func write(
    to path: String, tool: String, compression: ContainerCompression = .fast,
    derived: [ComponentKind: [StoredTensor]] = [:],
    progress: @escaping @Sendable (_ done: Int) -> Void = { _ in }
  ) throws {
    let writer = try ContainerWriter(path: path, compression: compression, times: times)
    let done = Counter()
    let notFinite = NotFiniteNumbers()
    for component in file.components {
      guard let kind = component.kind, let source = sources[kind] else { continue }
      try writer.beginComponent(kind, metadata: component.metadata)
      for step in plan.steps where step.component == kind {
        let statistics = BandStatistics()
        let rowByteCount = step.source.rawByteCount / max(step.source.description.rows, 1)
        try cancellation.check()
        let preparation = try preparer.preparation(for: step, from: source)
        let activations =
          step.isCopy && step.source.description.activations.isTransformed
          ? step.source.description.activations : preparation.activations(step.target.activations)
        let result = step.result(activations)
        try writer.append(
          result, metadata: { Self.metadata(of: step, statistics: statistics.total) }
        ) { [cancellation, times] band in
          try cancellation.check()
          if let found = try Self.fill(
            band, of: step, preparation, from: source, times: times, path: file.path,
            notFinite: notFinite)
          {
            statistics.record(found, firstRow: band.rows.lowerBound)
          }
          progress(done.add(band.rows.count * rowByteCount))
        }
        if let factors = preparation.transformation.factors {
          try writer.append(
            StoredTensor(InputFactors.description(of: result), floats: factors))
        }
      }
      for tensor in derived[kind] ?? [] { try writer.append(tensor) }
    }
    try writer.finish {
      try check(notFinite.tensors)
      return metadata(tool: tool)
    }
  }

  private func check(_ tensors: [NotFiniteTensor]) throws(SanaError) {
    guard !tensors.isEmpty else { return }
    throw SanaError(
      .numericalFailure, NotFiniteNumbers.summary(tensors, of: file.path),
      remedy: "convert weights without them, and quantize that model", location: file.path)
  }

  /// Produces the rows of a band.
  /// - Returns: how far they moved; `nil` for rows that were copied.
  private static func fill(
    _ band: TensorBand, of step: QuantizationPlan.Step, _ preparation: TensorPreparation,
    from source: ComponentSource, times: StageTimes, path: String, notFinite: NotFiniteNumbers
  ) throws -> DistortionStatistics? {
    if step.isCopy {
      try times.measure(.read, byteCount: band.values.count) {
        try source.read(step.source.name, rows: band.rows, into: band.values, scales: band.scales)
      }
      let type = step.source.description.encoding.numberType
      notFinite.add(
        type.map { NotFiniteCount(in: UnsafeRawBufferPointer(band.values), of: $0) }
          ?? NotFiniteCount(in: UnsafeBufferPointer(band.scales)),
        tensor: step.qualifiedName, path: path)
      return nil
    }
    let columns = step.source.description.columns
    let valueBytes = band.values.count / max(band.rows.count, 1)
    let scalesPerRow = band.scales.count / max(band.rows.count, 1)
    var statistics = DistortionStatistics()
    let decoded = ScratchBuffer()
    let scratch = (codes: ScratchBuffer(), rows: ScratchBuffer())
    let transformed = ScratchBuffer()
    let transformation = preparation.transformation
    try SourceRows.forEach(of: step.source, rows: band.rows, from: source, times: times) {
      rows, floats in
      let found = NotFiniteCount(in: floats)
      guard found.total == 0 else {
        // It cannot be coded; the other tensors are gone through all the same, to name them too.
        return notFinite.add(found, tensor: step.qualifiedName, path: path)
      }
      let offset = rows.lowerBound - band.rows.lowerBound
      let values = UnsafeMutableRawBufferPointer(
        rebasing: band.values[offset * valueBytes..<(offset + rows.count) * valueBytes])
      let scales = UnsafeMutableBufferPointer(
        rebasing: band.scales[offset * scalesPerRow..<(offset + rows.count) * scalesPerRow])
      var numbers = floats
      if !transformation.isIdentity {
        let copy = transformed.bytes(count: floats.count * 4).bindMemory(to: Float.self)
        _ = copy.update(from: floats)
        transformation.apply(to: copy, columns: columns)
        numbers = UnsafeBufferPointer(copy)
      }
      let bad = RowCoding.encode(
        numbers, rows: rows.count, columns: columns,
        encoding: step.target.encoding, values: values, scales: scales,
        rounding: preparation.rounding, scratch: scratch)
      if let bad {
        throw SanaError(
          .numericalFailure,
          "tensor '\(step.qualifiedName.abbreviated)' holds a number too large for"
            + " \(step.target.encoding) in row \(rows.lowerBound + bad)",
          remedy: "give it an encoding of more range (--rule)", location: path)
      }
      let result = decoded.bytes(count: floats.count * 4).bindMemory(to: Float.self)
      step.target.encoding.decode(
        UnsafeRawBufferPointer(values), scales: UnsafeBufferPointer(scales), rows: rows.count,
        columns: columns, into: result, scratch: scratch.codes)
      if !transformation.isIdentity { transformation.undo(in: result, columns: columns) }
      statistics.add(
        DistortionStatistics(original: floats, decoded: UnsafeBufferPointer(result)))
    }
    return statistics
  }

  private static func metadata(
    of step: QuantizationPlan.Step, statistics: DistortionStatistics?
  ) -> MetadataValue {
    guard let statistics else { return step.source.metadata }
    return step.source.metadata.setting([
      .init("source_encoding", .string("\(step.source.description.encoding)")),
      .init("distortion", statistics.metadata),
    ])
  }

  private func metadata(tool: String) -> MetadataValue {
    file.metadata.setting([
      .init(
        "quantization",
        .object([
          .init("recipe", .string(plan.recipe.name)),
          .init("method", .string(preparer.method.name)),
          .init("rules", .array(plan.rules.map { .string("\($0)") })),
          .init("tool", .string(tool)),
        ]))
    ])
  }

  private mutating func findOverflows() throws {
    struct Piece {
      let step: Int
      let rows: Range<Int>
    }
    var pieces: [Piece] = []
    for (index, step) in plan.steps.enumerated()
    where step.target.encoding == .f16 && !step.isCopy {
      let description = step.source.description
      let rows = max((1 << 20) / max(description.columns, 1), 1)
      pieces += stride(from: 0, to: description.rows, by: rows).map {
        Piece(step: index, rows: $0..<min($0 + rows, description.rows))
      }
    }
    let found = Mutex([Int: (count: Int, largest: Float)]())
    try Parallel.forEach(pieces.count) { [pieces, plan, sources, cancellation, times] number, _ in
      try cancellation.check()
      let piece = pieces[number]
      let step = plan.steps[piece.step]
      guard let source = sources[step.component] else { return }
      var count = 0
      var largest: Float = 0
      try SourceRows.forEach(of: step.source, rows: piece.rows, from: source, times: times) {
        _, floats in
        guard let numbers = floats.baseAddress else { return }
        // NaN and infinity are not a matter of range: encoding reports them.
        let magnitude = sana_largest_magnitude(numbers, floats.count)
        let threshold = TensorEncoding.f16.overflowThreshold
        guard magnitude.isFinite, magnitude >= threshold else { return }
        count += floats.count { $0.magnitude >= threshold }
        largest = max(largest, magnitude)
      }
      guard count > 0 else { return }
      found.withLock { found in
        let before = found[piece.step] ?? (0, 0)
        found[piece.step] = (before.count + count, max(before.largest, largest))
      }
    }
    for (index, overflow) in found.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
      let step = plan.steps[index]
      guard !step.isExplicit else {
        throw SanaError(
          .numericalFailure,
          "tensor '\(step.qualifiedName.abbreviated)' holds \(overflow.count) number\(overflow.count == 1 ? "" : "s") up to \(overflow.largest), more than f16 can",
          remedy: "give it bf16 or f32", location: file.path)
      }
      let kept = step.source.description.encoding
      plan.steps[index].target = TensorTarget(kept)
      overflows.append(
        Overflow(
          component: step.component, name: step.source.name, count: overflow.count,
          largestMagnitude: overflow.largest, wanted: .f16, kept: kept))
    }
  }
}

/// How far the bands of a tensor moved, added up in their order whatever the order in which they were done.
private final class BandStatistics: Sendable {
  private let found = Mutex<[Int: DistortionStatistics]>([:])

  func record(_ statistics: DistortionStatistics, firstRow: Int) {
    found.withLock { $0[firstRow] = statistics }
  }

  /// `nil` when nothing was recorded: the tensor was copied.
  var total: DistortionStatistics? {
    let bands = found.withLock { $0 }.sorted { $0.key < $1.key }
    guard !bands.isEmpty else { return nil }
    return bands.reduce(into: DistortionStatistics()) { $0.add($1.value) }
  }
}

private final class Counter: Sendable {
  private let value = Atomic(0)

  /// - Returns: the sum so far.
  func add(_ amount: Int) -> Int { value.wrappingAdd(amount, ordering: .relaxed).newValue }
}

extension MetadataValue {
  /// An object with these members replaced or added.
  fileprivate func setting(_ members: [Member]) -> MetadataValue {
    let names = Set(members.map(\.name))
    return .object((self.members ?? []).filter { !names.contains($0.name) } + members)
  }
}
