import Support
import TestSupport
import Testing

/// What files and arguments hold reaches a terminal as text, and no longer than a line.
@Suite struct PrintableTests {
  @Test(arguments: [
    ("plain", "plain"), ("\u{1B}[31mred", "\\u{1B}[31mred"), ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
    ("\u{7F}\u{85}\u{9B}2J", "\\u{7F}\\u{85}\\u{9B}2J"),
    ("a\u{202E}b\u{2066}", "a\\u{202E}b\\u{2066}"),
    ("\u{2028}\u{2029}\u{200E}\u{FEFF}", "\\u{2028}\\u{2029}\\u{200E}\\u{FEFF}"),
    ("größer 猫 👩‍🚀", "größer 猫 👩‍🚀"),
  ])
  func whatIsObeyedIsEscaped(text: String, shown: String) {
    #expect(text.abbreviated == shown)
    #expect(text.escapingControls(keepsLines: false) == shown)
  }

  @Test func linesAreKeptWhereAsked() {
    #expect("a\n\u{1B}b\n".escapingControls(keepsLines: true) == "a\n\\u{1B}b\n")
  }

  @Test func lengthsAreBounded() {
    let long = String(repeating: "x", count: 1000)
    #expect(long.abbreviated.count == 80)
    #expect(long.abbreviated.hasSuffix("x..."))
    #expect(("a" + long + "z").printablePath.count == 240)
    #expect(("a" + long + "z").printablePath.hasPrefix("ax"))
    #expect(("a" + long + "z").printablePath.hasSuffix("xz"))
    // Any number of marks on a letter is one character.
    let marks = "e" + String(repeating: "\u{301}", count: 10_000)
    #expect(marks.abbreviated.unicodeScalars.count <= 80)
    #expect(String(repeating: "\u{1B}", count: 79).abbreviated.count <= 80)
  }

  @Test func anErrorIsOneLineWhateverItQuotes() {
    let name = "\u{1B}[2J\n" + String(repeating: "n", count: 60_000_000)
    let error = SanaError(
      .malformedFile, "holds '\(name)'", remedy: "drop \(name)", location: name,
      cause: SanaError(.fileAccess, name, remedy: name))
    #expect(error.description.utf8.count < 2000)
    #expect(!error.description.unicodeScalars.contains { $0.isObeyed })
  }

  @Test func jsonEscapesWhatIsObeyed() throws {
    let text = "\u{0}\u{1B}\u{7F}\u{9B}\u{202E}\u{2028}\u{E0001}\"\\ ü 👩‍🚀"
    let json = JSONWriter.write(.object([.init(text, .string(text))]))
    #expect(!String(decoding: json, as: UTF8.self).unicodeScalars.contains { $0.isObeyed })
    let parsed = try json.withUnsafeBytes { try JSONParser.parse($0, location: "test") }
    #expect(parsed == .object([.init(text, .string(text))]))
  }
}
