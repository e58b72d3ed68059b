import Testing

import enum SanaEngine.PromptText

/// Expected strings are what Python prints for `text.lower()` and `text.strip()`.
@Suite struct PromptTextTests {
  @Test(arguments: [
    ("A Cyberpunk CAT", "a cyberpunk cat"),
    ("\u{0130}stanbul", "i\u{0307}stanbul"),
    ("STRASSE \u{1E9E}", "strasse \u{00DF}"),
    ("\u{01C5}", "\u{01C6}"),
    ("\u{10400}", "\u{10428}"),
    // A capital sigma: at the end of a word, elsewhere, alone, before an ignorable mark, after a non-letter.
    ("\u{039F}\u{0394}\u{039F}\u{03A3}", "\u{03BF}\u{03B4}\u{03BF}\u{03C2}"),
    ("\u{03A3}\u{0391}", "\u{03C3}\u{03B1}"),
    ("\u{03A3}", "\u{03C3}"),
    ("\u{0391}\u{03A3}\u{0301} \u{0391}", "\u{03B1}\u{03C2}\u{0301} \u{03B1}"),
    ("\u{0391}\u{03A3}.\u{0392}", "\u{03B1}\u{03C3}.\u{03B2}"),
    ("1\u{03A3}", "1\u{03C3}"),
  ])
  func lowercasesAsPython(text: String, expected: String) {
    #expect(PromptText.lowercase(text).unicodeScalars.elementsEqual(expected.unicodeScalars))
  }

  @Test(arguments: [
    ("  a b \n", "a b"),
    ("\u{3000}\u{00A0}a\u{2029}\u{0085}", "a"),
    ("\u{1C}\u{1F}a\u{1D}", "a"),
    ("\u{200B}a\u{FEFF}", "\u{200B}a\u{FEFF}"),
    (" \t\r\n", ""),
    ("", ""),
    // A combining mark at the start joins with the space before it in Swift's view of characters, not in Python's.
    (" \u{0301}a", "\u{0301}a"),
  ])
  func stripsAsPython(text: String, expected: String) {
    #expect(PromptText.strip(text).unicodeScalars.elementsEqual(expected.unicodeScalars))
  }
}
