/// What the official pipeline does to a prompt before anything else: Python's `text.lower().strip()`.
package enum PromptText {
  package static func prepare(_ prompt: String) -> String { strip(lowercase(prompt)) }

  /// The same of a prompt that may be very long, of which only the beginning is needed.
  /// - Parameter byteCount: bytes of the stripped prompt, in UTF-8, after which the rest is left
  ///   out.
  static func prepare(_ prompt: String, atMost byteCount: Int) -> String {
    guard prompt.utf8.count > byteCount else { return prepare(prompt) }
    let stripped = strip(prompt)
    let end = stripped.utf8.index(
      stripped.startIndex, offsetBy: byteCount, limitedBy: stripped.endIndex)
    // The index is rounded down to a whole scalar.
    return lowercase(String(stripped.unicodeScalars[..<(end ?? stripped.endIndex)]))
  }

  /// Python's `str.lower`: full case mappings (so that `İ` becomes two scalars), and a capital sigma at the end of a word becomes
  /// `ς`. Swift's `lowercased()` does not look at the end of a word.
  package static func lowercase(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    var result = String.UnicodeScalarView()
    for (index, scalar) in scalars.enumerated() {
      if scalar == capitalSigma {
        result.append(isFinal(index, in: scalars) ? finalSigma : smallSigma)
      } else {
        result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
      }
    }
    return String(result)
  }

  /// Python's `str.strip`.
  package static func strip(_ text: String) -> String {
    let scalars = text.unicodeScalars
    guard let first = scalars.firstIndex(where: { !isSpace($0) }),
      let last = scalars.lastIndex(where: { !isSpace($0) })
    else { return "" }
    return String(scalars[first...last])
  }

  private static let capitalSigma: Unicode.Scalar = "\u{03A3}"
  private static let smallSigma: Unicode.Scalar = "\u{03C3}"
  private static let finalSigma: Unicode.Scalar = "\u{03C2}"

  /// Unicode's `Final_Sigma`: a cased letter before, none after, case-ignorable scalars skipped on both sides.
  private static func isFinal(_ index: Int, in scalars: [Unicode.Scalar]) -> Bool {
    let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
    let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
    return before?.properties.isCased == true && after?.properties.isCased != true
  }

  /// Python's `str.isspace`: Unicode's white space, and the four separators U+001C to U+001F.
  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
  }
}
