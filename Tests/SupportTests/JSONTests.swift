import Support
import Testing

@Suite struct JSONParserTests {
  private func parse(
    _ text: String, options: JSONParser.Options = JSONParser.Options()
  ) throws -> MetadataValue {
    try Array(text.utf8).withUnsafeBytes {
      try JSONParser.parse($0, location: "test.json", options: options)
    }
  }

  @Test func readsEveryKindOfValue() throws {
    let value = try parse(
      #" { "a" : [null, true, false, -0, 12, 9223372036854775807, 1.5, -2e3, 1E-2], "b": {}, "c": [] } "#
    )
    #expect(
      value == [
        "a": [nil, true, false, 0, 12, .integer(.max), 1.5, -2000.0, 0.01], "b": .object([]),
        "c": [],
      ])
  }

  @Test func keepsIntegersAsIntegersAndLargerOnesAsNumbers() throws {
    #expect(try parse("1000000") == .integer(1_000_000))
    #expect(try parse("1000.0") == .number(1000))
    #expect(try parse("1000000000000000019884624838656") == .number(1e30))
  }

  @Test func decodesEscapesAndUnicode() throws {
    #expect(
      try parse(#""\"\\\/\b\f\n\r\t\u00e9\u20AC\ud83d\ude00 é€😀""#)
        == .string("\"\\/\u{8}\u{C}\n\r\té€😀 é€😀"))
  }

  @Test func readsNonFiniteNumbersOnlyWhenAllowed() throws {
    for text in ["Infinity", "-Infinity", "NaN"] {
      #expect(throws: SanaError.self) { try parse(text) }
    }
    #expect(try parse("-Infinity", options: .configuration) == .number(-.infinity))
    #expect(try parse("Infinity", options: .configuration) == .number(.infinity))
    #expect(try parse("NaN", options: .configuration).numberValue?.isNaN == true)
    #expect(throws: SanaError.self) { try parse("-NaN", options: .configuration) }
    #expect(throws: SanaError.self) { try parse("Inf", options: .configuration) }
  }

  @Test(arguments: [
    "", " ", "{", "[", "[1", "[1,", "[1,]", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{a:1}",
    "{\"a\" 1}", "{1:2}", "[1 2]", "1 2", "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x10", "1e999",
    "tru", "nul", "True", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"",
    "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"a\nb\"", "{\"a\":1,\"a\":2}", "]", "[1]]", "'a'",
    "// comment\n1",
  ])
  func refuses(_ text: String) {
    let error = #expect(throws: SanaError.self) { try parse(text) }
    #expect(error?.code == .malformedFile)
    #expect(error?.message.contains("line") == true)
  }

  @Test func refusesInvalidUTF8() {
    for bytes: [UInt8] in [
      [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22],
    ] {
      #expect(throws: SanaError.self) {
        try bytes.withUnsafeBytes { try JSONParser.parse($0, location: "test.json") }
      }
    }
  }

  @Test func namesThePositionOfTheError() {
    let error = #expect(throws: SanaError.self) { try parse("{\n  \"a\": 1,\n  \"b\": ?\n}") }
    #expect(error?.message.contains("line 3, column 8, byte 19") == true)
    #expect(error?.location == "test.json")
  }

  @Test func refusesDeepNestingInsteadOfOverflowingTheStack() {
    let text = String(repeating: "[", count: 1_000_000)
    let error = #expect(throws: SanaError.self) { try parse(text) }
    #expect(error?.message.contains("too deep") == true)
  }

  @Test func namesAreComparedByTheirBytes() throws {
    let value = try parse("{\"\u{e9}\": 1, \"e\u{301}\": 2}")
    #expect(value.members?.count == 2)
    #expect(throws: SanaError.self) { try parse("{\"\u{e9}\": 1, \"\\u00e9\": 2}") }
  }

  @Test func limitsSizeAndNumberOfValues() {
    var options = JSONParser.Options()
    options.byteLimit = 10
    #expect(throws: SanaError.self) { try parse("[1,2,3,4,5]", options: options) }
    options = JSONParser.Options()
    options.valueLimit = 5
    #expect(throws: SanaError.self) { try parse("[1,2,3,4,5]", options: options) }
    #expect(throws: Never.self) { try parse("[1,2,3,4]", options: options) }
  }
}

@Suite struct JSONWriterTests {
  private func text(_ value: MetadataValue, _ style: JSONWriter.Style = .compact) -> String {
    String(decoding: JSONWriter.write(value, style: style), as: UTF8.self)
  }

  @Test func writesCompactly() {
    #expect(
      text(["a": [nil, true, -1, 0.5, 1e-6, 1e30], "b": .object([]), "c": "\"\\\n\u{1}é"])
        == #"{"a":[null,true,-1,0.5,1e-06,1e+30],"b":{},"c":"\"\\\n\u0001é"}"#)
  }

  @Test func writesNonFiniteNumbersAsPythonDoes() {
    #expect(
      text([.number(.infinity), .number(-.infinity), .number(.nan)]) == "[Infinity,-Infinity,NaN]")
  }

  @Test func writesIndented() {
    #expect(
      text(["a": [1, 2], "b": []], .indented)
        == "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": []\n}\n")
  }

  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy"),
  ])
  func writesBytesAsBase64(_ bytes: String, _ expected: String) {
    #expect(text(.bytes(Array(bytes.utf8))) == "\"\(expected)\"")
  }

  @Test func whatIsWrittenReadsBackEqual() throws {
    let value: MetadataValue = [
      "integers": [.integer(.min), 0, .integer(.max)],
      "numbers": [0.1, 1e-300, 1.7976931348623157e308, -0.0],
      "text": "tab\tquote\"slash\\ 😀 \u{7F}", "nested": [["deep": [nil, false]]],
    ]
    for style in [JSONWriter.Style.compact, .indented] {
      let read = try JSONWriter.write(value, style: style).withUnsafeBytes {
        try JSONParser.parse($0, location: "test.json")
      }
      #expect(read == value)
    }
  }
}
