/// Finds out whether one of many byte strings occurs in a text, in time that grows with the
/// logarithm of their number.
struct Occurrences {
  /// Sorted; none begins with another.
  private var strings: [ArraySlice<UInt8>] = []
  private var isFirst = [Bool](repeating: false, count: 256)

  init(of strings: [ArraySlice<UInt8>]) {
    for string in strings.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      guard let first = string.first else { continue }
      isFirst[Int(first)] = true
      if let last = self.strings.last, string.starts(with: last) { continue }
      self.strings.append(string)
    }
  }

  func occur(in text: ArraySlice<UInt8>) -> Bool {
    text.indices.contains { isFirst[Int(text[$0])] && begin(text[$0...]) }
  }

  /// Whether a string stands at the beginning. As none begins with another, it can only be the last
  /// of those that do not come after the text.
  private func begin(_ text: ArraySlice<UInt8>) -> Bool {
    var low = 0
    var high = strings.count
    while low < high {
      let middle = (low + high) / 2
      if text.lexicographicallyPrecedes(strings[middle]) { high = middle } else { low = middle + 1 }
    }
    return low > 0 && text.starts(with: strings[low - 1])
  }
}
