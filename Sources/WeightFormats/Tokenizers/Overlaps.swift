/// Byte strings of which a text could hold some so that they share bytes.
enum Overlaps {
  /// The first string that can overlap one of the others, or stand in it, or hold it.
  static func first(
    of strings: [ArraySlice<UInt8>], with others: [ArraySlice<UInt8>]
  ) -> ArraySlice<UInt8>? {
    let inner = Occurrences(of: strings)
    if let outer = others.first(where: { inner.occur(in: $0) }) {
      return strings.first { Occurrences(of: [$0]).occur(in: outer) }
    }
    let occurrences = Occurrences(of: others)
    var beginnings: Set<ArraySlice<UInt8>> = []
    var ends: Set<ArraySlice<UInt8>> = []
    for string in others where !string.isEmpty {
      for count in 1...string.count {
        beginnings.insert(string.prefix(count))
        ends.insert(string.suffix(count))
      }
    }
    return strings.first { string in
      occurrences.occur(in: string)
        || (1...max(string.count, 1)).contains {
          beginnings.contains(string.suffix($0)) || ends.contains(string.prefix($0))
        }
    }
  }
}
