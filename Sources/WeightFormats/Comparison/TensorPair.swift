internal import Support

/// How some rows of two tensors differ.
struct BandDifference: Sendable {
  var statistics = DistortionStatistics()
  /// Of tensors that are no weights.
  var differentBytes = 0

  mutating func add(_ other: BandDifference) {
    statistics.add(other.statistics)
    differentBytes += other.differentBytes
  }
}

/// A tensor of two models while it is compared.
struct TensorPair: Sendable {
  let component: String
  let first: ComparedModel.Tensor?
  let second: ComparedModel.Tensor?
  /// Both, where their numbers can be compared.
  private let both: (first: ComparedModel.Tensor, second: ComparedModel.Tensor)?
  private let hasSameChecksums: Bool

  /// Numbers of a band: what is read of both sides, and decoded of them, is a few MiB.
  private static let bandElementCount = 1 << 20
  /// Numbers decoded at once: they stay in a core's second-level cache.
  private static let pieceElementCount = 1 << 16

  /// - Precondition: one of the two is there.
  init(component: String, first: ComparedModel.Tensor?, second: ComparedModel.Tensor?) {
    self.component = component
    self.first = first
    self.second = second
    guard let first, let second, first.description.isComparable(to: second.description) else {
      both = nil
      hasSameChecksums = false
      return
    }
    both = (first, second)
    let isStoredAlike =
      first.description.encoding == second.description.encoding
      && first.description.activations.rotation == second.description.activations.rotation
      && !first.description.activations.hasFactors && !second.description.activations.hasFactors
    hasSameChecksums =
      if isStoredAlike, let ours = first.entry, let theirs = second.entry {
        ours.hasSameChecksums(as: theirs)
      } else { false }
  }

  /// The rows to read, none where there is nothing to compare; cut where the first side's chunks
  /// end, as the writer cuts them.
  var bands: [Range<Int>] {
    guard let description = both?.first.description, !hasSameChecksums else { return [] }
    let rows = description.rows
    let columns = max(description.columns, 1)
    let rowByteCount = max(description.valueByteCount / max(rows, 1), 1)
    let chunkRows = max(ChunkEncoder.targetByteCount / rowByteCount, 1)
    let step = chunkRows * max(Self.bandElementCount / (chunkRows * columns), 1)
    return stride(from: 0, to: rows, by: step).map { $0..<min($0 + step, rows) }
  }

  func elementCount(of rows: Range<Int>) -> Int {
    rows.count * (both?.first.description.columns ?? 0)
  }

  /// - Returns: `nil` for rows whose numbers are the same to the last bit.
  func compare(_ rows: Range<Int>, scratch: ScratchBuffer) throws -> BandDifference? {
    guard let (first, second) = both, !rows.isEmpty else { return nil }
    let ours = StoredRows(of: first.description, count: rows.count)
    let theirs = StoredRows(of: second.description, count: rows.count)
    try ours.read(rows, from: first.source)
    try theirs.read(rows, from: second.source)
    if first.description.encoding == second.description.encoding, ours.hasSameBytes(as: theirs) {
      return nil
    }
    if case .plain = first.description.encoding {
      let count = zip(ours.values, theirs.values).count { $0 != $1 }
      return BandDifference(differentBytes: count)
    }
    let statistics = measure(ours, theirs, rowCount: rows.count, scratch: scratch)
    return statistics.changed == 0 ? nil : BandDifference(statistics: statistics)
  }

  /// What rows that are the same add to the statistics of their tensor.
  func measureIdentical(_ rows: Range<Int>, scratch: ScratchBuffer) throws -> BandDifference {
    guard let (first, _) = both else { return BandDifference() }
    if case .plain = first.description.encoding { return BandDifference() }
    let ours = StoredRows(of: first.description, count: rows.count)
    try ours.read(rows, from: first.source)
    return BandDifference(
      statistics: measure(ours, ours, rowCount: rows.count, scratch: scratch))
  }

  func result(_ difference: BandDifference?) -> TensorComparison {
    let outcome: TensorComparison.Outcome =
      if second == nil { .onlyInFirst } else if first == nil { .onlyInSecond } else if both == nil {
        .incomparable
      } else if let difference {
        difference.differentBytes > 0
          ? .differentBytes(difference.differentBytes) : .different(difference.statistics)
      } else { .identical(unread: hasSameChecksums) }
    return TensorComparison(
      component: component,
      name: first?.description.name ?? second?.description.name ?? "",
      first: first?.description, second: second?.description, outcome: outcome)
  }

  private func measure(
    _ ours: StoredRows, _ theirs: StoredRows, rowCount: Int, scratch: ScratchBuffer
  ) -> DistortionStatistics {
    let columns = ours.columns
    let step = max(Self.pieceElementCount / max(columns, 1), 1)
    let unpacked = ScratchBuffer()
    var statistics = DistortionStatistics()
    for begin in stride(from: 0, to: rowCount, by: step) {
      let rows = begin..<min(begin + step, rowCount)
      let count = rows.count * columns
      let numbers = scratch.bytes(count: 8 * count).bindMemory(to: Float.self)
      let original = UnsafeMutableBufferPointer(rebasing: numbers[..<count])
      let decoded = UnsafeMutableBufferPointer(rebasing: numbers[count...])
      ours.decode(rows, into: original, scratch: unpacked)
      theirs.decode(rows, into: decoded, scratch: unpacked)
      statistics.add(
        DistortionStatistics(
          original: UnsafeBufferPointer(original), decoded: UnsafeBufferPointer(decoded)))
    }
    return statistics
  }
}

extension TensorDescription {
  /// Whether the numbers of two tensors can be held against each other one by one.
  fileprivate func isComparable(to other: TensorDescription) -> Bool {
    guard shape == other.shape else { return false }
    switch (encoding, other.encoding) {
    case (.plain(let first), .plain(let second)): return first == second
    case (.plain, _), (_, .plain): return false
    default: return true
    }
  }
}
