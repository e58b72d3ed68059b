import Support

/// Titled lines with their values in one column.
enum FactList {
  private static let longestTitle = 40
  private static let longestValue = 160

  /// Begins with an empty line where there are facts.
  static func text(_ facts: [(title: String, value: String)]) -> String {
    let facts = facts.map { fact in
      (
        title: fact.title.printable(limit: longestTitle),
        value: fact.value.printable(limit: longestValue)
      )
    }
    let width = facts.map(\.title.count).max() ?? 0
    let lines = facts.map { fact in
      fact.title + String(repeating: " ", count: width + 2 - fact.title.count) + fact.value + "\n"
    }
    return (facts.isEmpty ? "" : "\n") + lines.joined()
  }
}
