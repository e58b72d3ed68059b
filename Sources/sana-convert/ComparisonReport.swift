import CommandLineSupport
import Support
import WeightFormats

/// What `diff` prints.
struct ComparisonReport {
  private static let lineLimit = 40

  private let comparison: ModelComparison
  private let first: ComparedModel
  private let second: ComparedModel
  private let listsAll: Bool

  init(
    _ comparison: ModelComparison, _ first: ComparedModel, _ second: ComparedModel, listsAll: Bool
  ) {
    self.comparison = comparison
    self.first = first
    self.second = second
    self.listsAll = listsAll
  }

  // MARK: - For people

  var text: String {
    var text = "first   \(first.path.printablePath) (\(first.form.label))\n"
    text += "second  \(second.path.printablePath) (\(second.form.label))\n\n"
    let tensors = listed
    if !tensors.isEmpty {
      let shown = listsAll ? tensors : Array(tensors.prefix(Self.lineLimit))
      text += table(of: shown).text
      if shown.count < tensors.count {
        text += "and \(tensors.count - shown.count) more (--all lists every tensor)\n"
      }
      text += "\n"
    }
    text += Self.table(of: comparison.settings, title: "setting")
    text += Self.table(of: comparison.remarks, title: "does not count")
    text += Self.counts(comparison.tensors) + "\n"
    return text + (comparison.isSame ? "the models are the same\n" : "the models differ\n")
  }

  /// The tensors to list: in the models' order, or those that differ, the farthest apart first.
  private var listed: [TensorComparison] {
    guard !listsAll else { return comparison.tensors }
    return comparison.tensors.enumerated().filter { !$1.isSame }
      .sorted { ($0.element.distance, $1.offset) > ($1.element.distance, $0.offset) }
      .map(\.element)
  }

  private func table(of tensors: [TensorComparison]) -> TextTable {
    var table = TextTable([
      .init("tensor"), .init("shape"), .init("encoding"), .init("numbers that differ", .right),
      .init("max error", .right), .init("SNR dB", .right),
    ])
    for tensor in tensors {
      table.append(
        [
          "\(tensor.component)/\(tensor.name)",
          Self.change(tensor.first?.shapeLabel, tensor.second?.shapeLabel),
          Self.change(tensor.first?.encodingLabel, tensor.second?.encodingLabel),
        ] + tensor.outcomeCells)
    }
    return table
  }

  /// `f32`, or `f32 -> f16` where the two sides differ, `-` for a side that has nothing.
  private static func change(_ first: String?, _ second: String?) -> String {
    first == second ? first ?? "" : "\(first ?? "-") -> \(second ?? "-")"
  }

  private static func table(of differences: [MetadataDifference], title: String) -> String {
    guard !differences.isEmpty else { return "" }
    var table = TextTable([.init(title), .init("first"), .init("second")])
    for difference in differences {
      table.append([
        difference.path, abbreviated(difference.first), abbreviated(difference.second),
      ])
    }
    return table.text + "\n"
  }

  private static func abbreviated(_ value: MetadataValue?) -> String {
    guard let value else { return "-" }
    return String(decoding: JSONWriter.write(value), as: UTF8.self).printable(limit: 48)
  }

  private static func counts(_ tensors: [TensorComparison]) -> String {
    let facts = [
      (tensors.count(where: \.isSame), "the same"),
      (tensors.count { $0.hasSameValues && !$0.isSame }, "the same numbers in another encoding"),
      (tensors.count(where: \.hasOtherNumbers), "with other numbers"),
      (tensors.count { $0.statusName == "shape" }, "of another shape"),
      (tensors.count { $0.statusName == "only_first" }, "only in the first"),
      (tensors.count { $0.statusName == "only_second" }, "only in the second"),
    ]
    return "\(tensors.count) tensors: "
      + facts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
  }

  // MARK: - For programs

  var json: MetadataValue {
    let tensors = comparison.tensors
    let counts = ["same", "encoding", "values", "shape", "only_first", "only_second"].map { name in
      MetadataValue.Member(name, .integer(Int64(tensors.count { $0.statusName == name })))
    }
    return [
      "same": .bool(comparison.isSame),
      "first": Self.json(of: first),
      "second": Self.json(of: second),
      "tensor_counts": .object(counts),
      "tensors": .array(tensors.filter { listsAll || !$0.isSame }.map(\.json)),
      "settings": .array(comparison.settings.map(Self.json)),
      "remarks": .array(comparison.remarks.map(Self.json)),
    ]
  }

  private static func json(of model: ComparedModel) -> MetadataValue {
    ["path": .string(model.path), "form": .string(model.form.rawValue)]
  }

  private static func json(_ difference: MetadataDifference) -> MetadataValue {
    [
      "path": .string(difference.path),
      "first": difference.first ?? .null, "second": difference.second ?? .null,
    ]
  }
}

extension ComparedModel.Form {
  fileprivate var label: String {
    switch self {
    case .container: ".sana file"
    case .checkpoint: "official checkpoint"
    }
  }
}

extension TensorDescription {
  fileprivate var shapeLabel: String { shape.map(String.init).joined(separator: "x") }
}

extension TensorComparison {
  fileprivate var hasOtherNumbers: Bool { statusName == "values" }

  /// How `diff --json` calls what happened to the tensor; the first that fits, the gravest first.
  fileprivate var statusName: String {
    switch outcome {
    case .onlyInFirst: "only_first"
    case .onlyInSecond: "only_second"
    case .incomparable: "shape"
    case .different, .differentBytes: "values"
    case .identical: hasSameEncoding ? "same" : "encoding"
    }
  }

  /// For sorting: infinite where nothing can be compared, else the noise in dB of the signal.
  fileprivate var distance: Double {
    switch outcome {
    case .onlyInFirst, .onlyInSecond, .incomparable, .differentBytes: .infinity
    case .different(let statistics):
      statistics.signalToNoise.isNaN ? .infinity : -statistics.signalToNoise
    case .identical: -.infinity
    }
  }

  /// Numbers that differ, largest error, SNR.
  fileprivate var outcomeCells: [String] {
    switch outcome {
    case .onlyInFirst: ["only in the first"]
    case .onlyInSecond: ["only in the second"]
    case .incomparable: ["not comparable"]
    case .identical: ["none"]
    case .differentBytes(let count): [share(of: count)]
    case .different(let statistics):
      [
        share(of: statistics.changed),
        statistics.largestError.isFinite ? "\(statistics.largestError)" : "not finite",
        statistics.signalToNoise.isNaN
          ? "not finite" : statistics.signalToNoise.formatted(decimals: 2),
      ]
    }
  }

  private func share(of count: Int) -> String {
    let total = first?.elementCount ?? 0
    let percent = (100 * Double(count) / Double(max(total, 1))).formatted(decimals: 1)
    return "\(count) of \(total) (\(percent) %)"
  }

  fileprivate var json: MetadataValue {
    var members: [MetadataValue.Member] = [
      .init("component", .string(component)),
      .init("name", .string(name)),
      .init("status", .string(statusName)),
      .init("shape_first", Self.shape(first)),
      .init("shape_second", Self.shape(second)),
      .init("encoding_first", first.map { .string($0.encodingLabel) } ?? .null),
      .init("encoding_second", second.map { .string($0.encodingLabel) } ?? .null),
    ]
    switch outcome {
    case .onlyInFirst, .onlyInSecond, .incomparable: break
    case .identical(let unread):
      members += [
        .init("differing", 0), .init("compared_by", .string(unread ? "checksums" : "values")),
      ]
    case .differentBytes(let count):
      members.append(.init("differing", .integer(Int64(count))))
    case .different(let statistics):
      members += [
        .init("differing", .integer(Int64(statistics.changed))),
        .init("max_abs_error", .number(Double(statistics.largestError))),
        .init("snr_db", .number(statistics.signalToNoise)),
        .init("cosine", .number(statistics.cosine)),
      ]
    }
    return .object(members)
  }

  private static func shape(_ description: TensorDescription?) -> MetadataValue {
    description.map { .array($0.shape.map { .integer(Int64($0)) }) } ?? .null
  }
}
