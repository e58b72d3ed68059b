internal import Support

extension LowRankAdapter {
  /// What it is and how strong: `LoRA of rank 16 for 168 modules, alpha 16 from its tensors`.
  package var summary: String {
    let ranks = modules.compactMap(\.rank)
    let kinds = Set(modules.map(\.kindName)).sorted().joined(separator: " and ")
    let rank = Self.range(ranks.map(Double.init)).map { " of rank \($0)" } ?? ""
    let scaled = zip(modules, factors).filter { $0.0.rank != nil || $0.1.source != .rank }.map(\.1)
    let sources = Set(scaled.map(\.source.phrase)).sorted().joined(separator: ", or ")
    let alpha = Self.range(scaled.map(\.alpha)).map { ", alpha \($0) \(sources)" } ?? ""
    return "\(kinds)\(rank) for \(modules.count.counted("module"))\(alpha)"
  }

  /// `4`, or `4 to 16`; `nil` for no numbers.
  private static func range(_ numbers: [Double]) -> String? {
    guard let least = numbers.min(), let most = numbers.max() else { return nil }
    return least == most ? least.plain : "\(least.plain) to \(most.plain)"
  }

  /// What a file that it was merged into says about it.
  /// - Parameter digest: the file's SHA-256.
  func provenance(digest: String) -> MetadataValue {
    [
      "name": .string(FileSystem.name(of: path)),
      "sha256": .string(digest),
      "scale": .number(scale),
      "kinds": .array(Set(modules.map(\.kindName)).sorted().map { .string($0) }),
      "modules": .integer(Int64(modules.count)),
      "ranks": .array(Set(modules.compactMap(\.rank)).sorted().map { .integer(Int64($0)) }),
      "alphas": .array(Set(factors.map(\.alpha)).sorted().map { .number($0) }),
      "alpha_from": .array(Set(factors.map(\.source.label)).sorted().map { .string($0) }),
      "merging": .string(Set(modules.map(\.merging)).sorted().joined(separator: "; ")),
    ]
  }

  /// What an inventory says about an adapter's file: what merging it would say, and into which
  /// released models it can be merged.
  static func remark(path: String) -> String {
    do {
      let adapter = try LowRankAdapter(path: path)
      let (fitting, misfit) = AdapterFit.releases(for: adapter)
      let summary = ([adapter.summary] + adapter.notices).joined(separator: "; ")
      if let misfit, fitting.isEmpty {
        return
          "\(summary); it fits no released model (\(misfit.message)): merge it with --lora into the one that it was made for"
      }
      return "\(summary); merge it with --lora into \(fitting.joined(separator: ", "))"
    } catch {
      return "an adapter that cannot be merged: \(error)"
    }
  }
}

extension AdapterModule {
  fileprivate var kindName: String {
    switch (flavour, isDecomposed) {
    case (.lora, true): "DoRA"
    case (_, true): "\(flavour.rawValue) with DoRA"
    case (_, false): flavour.rawValue
    }
  }

  fileprivate var merging: String {
    let delta =
      switch flavour {
      case .lora: "alpha / rank * B A"
      case .lokr: "alpha / rank * w1 (x) w2"
      case .loha: "alpha / rank * (B A) * (D C)"
      case .difference: "D"
      }
    if parts[.magnitude] != nil {
      return "m * V / |V|, V = W + scale * \(delta), in f32, rounded once"
    }
    if parts[.scale] != nil {
      return "W + scale * (m * V / |V| - W), V = W + \(delta), in f32, rounded once"
    }
    return "W + scale * \(delta) in f32, rounded once"
  }
}

extension Double {
  /// Without a point where it is whole.
  var plain: String {
    self == rounded() && magnitude < 1e15 ? "\(Int64(self))" : "\(self)"
  }
}

extension Int {
  /// `1 module`, `2 modules`.
  func counted(_ noun: String) -> String { "\(self) \(noun)\(self == 1 ? "" : "s")" }
}
