public import Support

/// A place where two trees of metadata differ.
public struct MetadataDifference: Hashable, Sendable {
  /// Names of the members from the root on, indices of arrays as `[2]`: `transformer.num_layers`.
  public let path: String
  /// `nil` where a side has no such member.
  public let first: MetadataValue?
  public let second: MetadataValue?

  /// Every place, in the order of the first tree; members that only the second has come last.
  ///
  /// Integers and numbers of the same value are the same, and NaN is NaN; arrays of different
  /// lengths differ as a whole.
  public static func between(
    _ first: MetadataValue?, _ second: MetadataValue?, path: String = ""
  ) -> [MetadataDifference] {
    if let first = first?.members, let second = second?.members {
      return first.map(\.name).joined(by: second.map(\.name)).flatMap { name in
        between(
          first.first { $0.name == name }?.value, second.first { $0.name == name }?.value,
          path: path.isEmpty ? name : "\(path).\(name)")
      }
    }
    if let first = first?.arrayValue, let second = second?.arrayValue, first.count == second.count {
      return first.indices.flatMap { between(first[$0], second[$0], path: "\(path)[\($0)]") }
    }
    if first == second || isSameNumber(first, second) { return [] }
    return [MetadataDifference(path: path, first: first, second: second)]
  }

  private static func isSameNumber(_ first: MetadataValue?, _ second: MetadataValue?) -> Bool {
    guard let first = first?.numberValue, let second = second?.numberValue else { return false }
    return first == second || (first.isNaN && second.isNaN)
  }
}

extension [String] {
  /// These names, then those of the other list that are not among them.
  func joined(by others: [String]) -> [String] { self + others.filter { !contains($0) } }
}
