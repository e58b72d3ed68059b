/// Text from files and arguments, made fit to be shown: on one line, of bounded length, and without
/// characters that a terminal obeys.
extension String {
  /// Where a text that is too long is cut.
  package enum Cut {
    case middle
    case end
  }

  /// At most 80 characters, for names of untrusted length in messages.
  package var abbreviated: String { printable(limit: 80) }

  /// For the names of files: their ends tell more than their middle.
  package var printablePath: String { printable(limit: 240, cut: .middle) }

  /// The text with every character that is obeyed rather than shown written as an escape (`\n`,
  /// `\u{1B}`), and cut to a length.
  /// - Parameters:
  ///   - limit: Unicode scalars, escapes included: what looks like one character can be made of any
  ///     number of them.
  ///   - cut: where `...` stands for what is left out.
  package func printable(limit: Int, cut: Cut = .end) -> String {
    // An escape is at most ten characters long and stands for one, so that what lies beyond the
    // limit need not be looked at.
    let scalars = unicodeScalars
    let head = Array(Self.escaped(scalars.prefix(limit + 1)).unicodeScalars)
    guard head.count > limit else { return Self.string(head) }
    let room = max(limit - 3, 0)
    guard cut == .middle else { return Self.string(head.prefix(room)) + "..." }
    let tail = Self.escaped(scalars.suffix(limit)).unicodeScalars.suffix(room - room / 2)
    return Self.string(head.prefix(room / 2)) + "..." + Self.string(Array(tail))
  }

  /// The text with escapes, of any length.
  /// - Parameter keepsLines: whether line feeds stay.
  package func escapingControls(keepsLines: Bool) -> String {
    guard utf8.contains(where: { !(0x20...0x7E ~= $0) && !(keepsLines && $0 == 0x0A) }) else {
      return self
    }
    return Self.escaped(unicodeScalars, keepsLines: keepsLines)
  }

  private static func string(_ scalars: some Sequence<Unicode.Scalar>) -> String {
    var view = UnicodeScalarView()
    view.append(contentsOf: scalars)
    return String(view)
  }

  private static func escaped(
    _ scalars: some Sequence<Unicode.Scalar>, keepsLines: Bool = false
  ) -> String {
    var text = UnicodeScalarView()
    for scalar in scalars {
      if !scalar.isObeyed || keepsLines && scalar == "\n" {
        text.append(scalar)
      } else {
        text.append(contentsOf: scalar.escape.unicodeScalars)
      }
    }
    return String(text)
  }
}

extension Unicode.Scalar {
  /// Whether a terminal or an editor acts on the character instead of showing it: control
  /// characters, line and paragraph separators, and invisible formatting such as overrides of the
  /// direction of writing. Joiners are not among them, which letters and emoji are made with.
  package var isObeyed: Bool {
    if 0x20...0x7E ~= value { return false }
    return switch properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: true
    case .format: !(0x200C...0x200D ~= value)
    default: false
    }
  }

  fileprivate var escape: String {
    switch self {
    case "\n": "\\n"
    case "\r": "\\r"
    case "\t": "\\t"
    default: "\\u{\(String(value, radix: 16, uppercase: true))}"
    }
  }
}
