public import Support
internal import Synchronization

/// Two models compared tensor by tensor, whatever their encodings, and setting by setting. What was
/// computed from weights is compared where both have it.
public struct ModelComparison: Sendable {
  /// In the order of the first model; what only the second has comes last.
  public let tensors: [TensorComparison]
  /// Differences of the pipeline's index, the scheduler and the configurations that make it another
  /// model.
  public let settings: [MetadataDifference]
  /// Differences that do not: defaults spelled out, versions of the library that saved it, and
  /// where two `.sana` files come from.
  public let remarks: [MetadataDifference]

  /// Whether the models are the same: the same tensors in the same encodings with the same bits,
  /// and the same settings.
  public var isSame: Bool { settings.isEmpty && tensors.allSatisfy(\.isSame) }

  /// Reads both models band by band, on all cores and in bounded memory, and each band once;
  /// tensors of two files whose chunks have equal checksums are not read at all.
  /// - Parameter progress: told how many numbers are done and how many there are to compare, from
  ///   any thread.
  /// - Throws: `.corruptFile`, `.fileAccess`, `.cancelled`.
  public init(
    _ first: ComparedModel, _ second: ComparedModel,
    cancellation: CancellationToken = CancellationToken(),
    progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws {
    let pairs = Self.pairs(first, second)
    let bands = pairs.enumerated().flatMap { index, pair in
      pair.bands.map { Band(pair: index, rows: $0) }
    }
    let total = bands.reduce(0) { $0 + pairs[$1.pair].elementCount(of: $1.rows) }
    let done = ByteCounter { progress($0, total) }
    let bandDifferences = Mutex([BandDifference?](repeating: nil, count: bands.count))
    try Parallel.forEach(bands.count) { index, scratch in
      try cancellation.check()
      let band = bands[index]
      let difference = try pairs[band.pair].compare(band.rows, scratch: scratch)
      bandDifferences.withLock { $0[index] = difference }
      done.add(pairs[band.pair].elementCount(of: band.rows))
    }
    // The ratio of a tensor that differs somewhere counts the numbers that are the same too.
    let differing = Set(
      zip(bands, bandDifferences.withLock { $0 }).compactMap { $1 == nil ? nil : $0.pair })
    try Parallel.forEach(bands.count) { index, scratch in
      let band = bands[index]
      guard differing.contains(band.pair), bandDifferences.withLock({ $0[index] == nil }) else {
        return
      }
      try cancellation.check()
      let difference = try pairs[band.pair].measureIdentical(band.rows, scratch: scratch)
      bandDifferences.withLock { $0[index] = difference }
    }
    // Added up in the order of the bands: the same sums for any number of cores.
    var differences: [Int: BandDifference] = [:]
    for (band, difference) in zip(bands, bandDifferences.withLock { $0 }) {
      guard let difference else { continue }
      differences[band.pair, default: BandDifference()].add(difference)
    }
    let results = pairs.enumerated().map { $1.result(differences[$0]) }
    let isSameTokenizer =
      if let ours = first.tokenizer, let theirs = second.tokenizer {
        ours.difference(from: theirs, named: "the second") == nil
      } else { false }
    tensors = results.filter { !isSameTokenizer || !$0.isOtherFileOfTheSameTokenizer }
    let found = Self.differences(first.settings, second.settings)
    settings = found.settings
    var remarks = found.remarks
    if isSameTokenizer {
      remarks += results.filter(\.isOtherFileOfTheSameTokenizer).map {
        MetadataDifference(
          path: "\($0.component)/\($0.name)",
          first: $0.first.map { .string("\($0.elementCount) bytes") },
          second: $0.second.map { .string("\($0.elementCount) bytes") })
      }
    }
    if let first = first.origin, let second = second.origin {
      remarks += MetadataDifference.between(first, second)
    }
    self.remarks = remarks
  }

  /// Documents that mean the same differ only in how they say it.
  private static func differences(
    _ first: [ComparedModel.Setting], _ second: [ComparedModel.Setting]
  ) -> (settings: [MetadataDifference], remarks: [MetadataDifference]) {
    var settings: [MetadataDifference] = []
    var remarks: [MetadataDifference] = []
    for name in first.map(\.name).joined(by: second.map(\.name)) {
      let ours = first.first { $0.name == name }
      let theirs = second.first { $0.name == name }
      let differences = MetadataDifference.between(ours?.document, theirs?.document, path: name)
      if let meaning = ours?.meaning, meaning == theirs?.meaning {
        remarks += differences
      } else {
        // Such as `_diffusers_version`; the class is what counts.
        let isRemark = { (difference: MetadataDifference) in
          difference.path.hasPrefix("\(ModelMetadata.modelIndex)._")
            && difference.path != "\(ModelMetadata.modelIndex)._class_name"
        }
        remarks += differences.filter(isRemark)
        settings += differences.filter { !isRemark($0) }
      }
    }
    return (settings, remarks)
  }

  private struct Band {
    let pair: Int
    let rows: Range<Int>
  }

  private static func pairs(_ first: ComparedModel, _ second: ComparedModel) -> [TensorPair] {
    return first.components.map(\.name).joined(by: second.components.map(\.name)).flatMap {
      component in
      let ours = first.components.first { $0.name == component }?.tensors ?? []
      let theirs = second.components.first { $0.name == component }?.tensors ?? []
      let index = Dictionary(
        theirs.map { (ExactString($0.description.name), $0) },
        uniquingKeysWith: { first, _ in first })
      let known = Set(ours.map { ExactString($0.description.name) })
      func counts(_ tensor: ComparedModel.Tensor) -> Bool {
        !InstructionTensors.contain(tensor.description.name, in: ComponentKind(rawValue: component))
          && !InputFactors.isName(tensor.description.name)
          && tensor.description.name != TokenizerFiles.madeModel
      }
      return ours.compactMap {
        let other = index[ExactString($0.description.name)]
        return other != nil || counts($0)
          ? TensorPair(component: component, first: $0, second: other) : nil
      }
        + theirs.filter { !known.contains(ExactString($0.description.name)) && counts($0) }.map {
          TensorPair(component: component, first: nil, second: $0)
        }
    }
  }
}

extension TensorComparison {
  /// Whether it is a file that two tokenizers need not have in common to give the same ids: one of
  /// the two forms of the table of pieces, or any that only one has.
  fileprivate var isOtherFileOfTheSameTokenizer: Bool {
    guard component == ComponentKind.textEncoder.rawValue, !isSame,
      (first ?? second)?.encoding == .plain(.u8)
    else { return false }
    return first == nil || second == nil
      || [TokenizerFiles.model, TokenizerFiles.madeModel, TokenizerDocument.fileName].contains(name)
  }
}
