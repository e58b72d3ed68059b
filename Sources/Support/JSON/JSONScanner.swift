/// Reads JSON by the rules of `JSONParser`, value by value: what need not become a tree takes no
/// memory.
///
/// Each function begins at the first byte of what it reads, and ends behind it and the white space
/// that follows.
package struct JSONScanner {
  private let text: UnsafeRawBufferPointer
  private let options: JSONParser.Options
  private let location: String
  package private(set) var position = 0
  private var depth = 0
  private var values = 0

  /// Begins at the first value.
  /// - Parameter text: outlives the scanner.
  package init(
    _ text: UnsafeRawBufferPointer, location: String, options: JSONParser.Options
  ) throws(SanaError) {
    guard text.count <= options.byteLimit else {
      throw SanaError(
        .malformedFile,
        "is \(text.count) bytes of JSON, more than the \(options.byteLimit) allowed",
        remedy: "check that it is the right file", location: location)
    }
    self.text = text
    self.options = options
    self.location = location
    skipWhitespace()
  }

  /// The same text from another place on.
  package func moved(to position: Int) -> JSONScanner {
    var scanner = self
    scanner.position = position
    return scanner
  }

  // MARK: - Values

  /// Reads a value as a tree.
  package mutating func readValue() throws(SanaError) -> MetadataValue {
    values += 1
    guard values <= options.valueLimit else { throw failure("there are too many values") }
    switch peek() {
    case UInt8(ascii: "{"): return try readTree()
    case UInt8(ascii: "["):
      var elements: [MetadataValue] = []
      try readArray { scanner throws(SanaError) in elements.append(try scanner.readValue()) }
      return .array(elements)
    case UInt8(ascii: "\""): return .string(try readString())
    default: return try readScalar()
    }
  }

  private mutating func readTree() throws(SanaError) -> MetadataValue {
    var members: [MetadataValue.Member] = []
    var names: Set<ExactString> = []
    try readObject { scanner throws(SanaError) in
      let start = scanner.position
      let name = try scanner.readName()
      guard names.insert(ExactString(name)).inserted else {
        throw scanner.moved(to: start).failure(
          "the name \"\(name.abbreviated)\" occurs twice in one object")
      }
      members.append(MetadataValue.Member(name, try scanner.readValue()))
    }
    return .object(members)
  }

  /// Reads what is neither object nor array nor string.
  private mutating func readScalar() throws(SanaError) -> MetadataValue {
    defer { skipWhitespace() }
    guard let byte = peek() else { throw failure("the text ends where a value should stand") }
    switch byte {
    case UInt8(ascii: "t") where skip("true"): return .bool(true)
    case UInt8(ascii: "f") where skip("false"): return .bool(false)
    case UInt8(ascii: "n") where skip("null"): return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "I"),
      UInt8(ascii: "N"):
      return try readNumber()
    default: throw failure("this is no JSON value")
    }
  }

  /// Reads a number without fraction.
  package mutating func readInteger() throws(SanaError) -> Int {
    let start = position
    if let byte = peek(), byte == UInt8(ascii: "-") || byte.isDigit,
      case .integer(let value) = try readScalar()
    {
      return Int(value)
    }
    throw moved(to: start).failure("an integer should stand here")
  }

  package mutating func readBool() throws(SanaError) -> Bool {
    let start = position
    if let byte = peek(), byte == UInt8(ascii: "t") || byte == UInt8(ascii: "f"),
      case .bool(let value) = try readScalar()
    {
      return value
    }
    throw moved(to: start).failure("true or false should stand here")
  }

  /// Steps over a value, by all rules but that of names that occur twice.
  package mutating func skipValue() throws(SanaError) {
    switch peek() {
    case UInt8(ascii: "{"):
      try readObject { scanner throws(SanaError) in
        try scanner.skipName()
        try scanner.skipValue()
      }
    case UInt8(ascii: "["):
      try readArray { scanner throws(SanaError) in try scanner.skipValue() }
    case UInt8(ascii: "\""): try skipString()
    default: _ = try readScalar()
    }
  }

  // MARK: - Objects and arrays

  /// Reads an object.
  /// - Parameter member: begins at a member's name and must read it and its value.
  package mutating func readObject(
    _ member: (inout JSONScanner) throws(SanaError) -> Void
  ) throws(SanaError) {
    try enter("{", "an object should stand here")
    if try leave("}") { return }
    while true {
      guard peek() == UInt8(ascii: "\"") else { throw failure("a member's name should stand here") }
      try member(&self)
      if try leave("}") { return }
      guard skip(",") else { throw failure("a comma or a closing brace should stand here") }
      skipWhitespace()
    }
  }

  /// Reads an array.
  /// - Parameter element: begins at an element and must read it.
  package mutating func readArray(
    _ element: (inout JSONScanner) throws(SanaError) -> Void
  ) throws(SanaError) {
    try enter("[", "an array should stand here")
    if try leave("]") { return }
    while true {
      try element(&self)
      if try leave("]") { return }
      guard skip(",") else { throw failure("a comma or a closing bracket should stand here") }
      skipWhitespace()
    }
  }

  private mutating func enter(
    _ bracket: StaticString, _ expectation: String
  ) throws(SanaError) {
    guard depth < options.depthLimit else { throw failure("the nesting is too deep") }
    guard skip(bracket) else { throw failure(expectation) }
    depth += 1
    skipWhitespace()
  }

  private mutating func leave(_ bracket: StaticString) throws(SanaError) -> Bool {
    guard skip(bracket) else { return false }
    depth -= 1
    skipWhitespace()
    return true
  }

  // MARK: - Strings

  package mutating func readString() throws(SanaError) -> String {
    var bytes: [UInt8] = []
    try readString(into: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Appends a string's UTF-8.
  package mutating func readString(into bytes: inout [UInt8]) throws(SanaError) {
    guard skip("\"") else { throw failure("a string should stand here") }
    let start = position
    var run = position
    var isASCII = true
    while true {
      guard let byte = peek() else { throw failure("the text ends inside a string") }
      if byte == UInt8(ascii: "\"") { break }
      guard byte >= 0x20 else { throw failure("a control character stands inside a string") }
      guard byte == UInt8(ascii: "\\") else {
        isASCII = isASCII && byte < 0x80
        position += 1
        continue
      }
      bytes.append(contentsOf: text[run..<position])
      bytes.append(contentsOf: try readEscape())
      run = position
    }
    bytes.append(contentsOf: text[run..<position])
    // What escapes stand for is valid; it cannot mend what stands around it.
    guard isASCII || String(validating: text[start..<position], as: UTF8.self) != nil else {
      throw moved(to: start).failure("the string is not valid UTF-8")
    }
    position += 1
    skipWhitespace()
  }

  private mutating func skipString() throws(SanaError) {
    let start = position
    position += 1
    var isASCII = true
    while let byte = peek(), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
      isASCII = isASCII && byte < 0x80
      position += 1
    }
    guard isASCII, skip("\"") else {
      position = start
      var bytes: [UInt8] = []
      return try readString(into: &bytes)
    }
    skipWhitespace()
  }

  /// Reads a member's name and the colon.
  package mutating func readName() throws(SanaError) -> String {
    let name = try readString()
    try readColon()
    return name
  }

  /// Appends a member's name, and reads the colon.
  package mutating func readName(into bytes: inout [UInt8]) throws(SanaError) {
    try readString(into: &bytes)
    try readColon()
  }

  private mutating func skipName() throws(SanaError) {
    try skipString()
    try readColon()
  }

  private mutating func readColon() throws(SanaError) {
    guard skip(":") else { throw failure("a colon should stand here") }
    skipWhitespace()
  }

  /// An escape sequence as UTF-8.
  private mutating func readEscape() throws(SanaError) -> [UInt8] {
    position += 1
    guard let kind = peek() else { throw failure("the text ends inside a string") }
    position += 1
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [kind]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"):
      var code = try readHexadecimal()
      if code & 0xFC00 == 0xD800 {
        guard skip("\\u") else { throw failure("half a surrogate pair stands alone") }
        let low = try readHexadecimal()
        guard low & 0xFC00 == 0xDC00 else { throw failure("half a surrogate pair stands alone") }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else {
        throw failure("half a surrogate pair stands alone")
      }
      return Array(String(Character(scalar)).utf8)
    default:
      position -= 1
      throw failure("there is no such escape sequence")
    }
  }

  private mutating func readHexadecimal() throws(SanaError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw failure("four hexadecimal digits should stand here")
      }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    return code
  }

  // MARK: - Numbers

  private mutating func readNumber() throws(SanaError) -> MetadataValue {
    let start = position
    let isNegative = skip("-")
    if options.allowsNonFiniteNumbers {
      if skip("Infinity") { return .number(isNegative ? -.infinity : .infinity) }
      if !isNegative, skip("NaN") { return .number(.nan) }
    }
    guard let first = peek(), first.isDigit else { throw failure("this is no number") }
    if first == UInt8(ascii: "0") {
      position += 1
    } else {
      skipDigits()
    }
    var isInteger = true
    if skip(".") {
      isInteger = false
      guard peek()?.isDigit == true else { throw failure("a digit should follow the point") }
      skipDigits()
    }
    if skip("e") || skip("E") {
      isInteger = false
      if !skip("+") { _ = skip("-") }
      guard peek()?.isDigit == true else { throw failure("the exponent has no digits") }
      skipDigits()
    }
    let digits = String(decoding: text[start..<position], as: UTF8.self)
    if isInteger, let value = Int64(digits) { return .integer(value) }
    guard let value = Double(digits), value.isFinite else {
      throw moved(to: start).failure("the number is too large")
    }
    return .number(value)
  }

  private mutating func skipDigits() {
    while peek()?.isDigit == true { position += 1 }
  }

  // MARK: - Bytes

  package func peek() -> UInt8? {
    position < text.count ? text[position] : nil
  }

  /// Steps over the literal if it stands here.
  private mutating func skip(_ literal: StaticString) -> Bool {
    let count = literal.utf8CodeUnitCount
    guard text.count - position >= count else { return false }
    for index in 0..<count where text[position + index] != literal.utf8Start[index] { return false }
    position += count
    return true
  }

  private mutating func skipWhitespace() {
    while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      position += 1
    }
  }

  /// - Throws: when there is more than what was read.
  package func readEnd() throws(SanaError) {
    guard position == text.count else { throw failure("there is more after the end of the value") }
  }

  /// An error about what stands here.
  package func failure(_ message: String) -> SanaError {
    let before = text[..<min(position, text.count)]
    let line = before.count { $0 == 0x0A } + 1
    let column = position - (before.lastIndex(of: 0x0A) ?? -1)
    return SanaError(
      .malformedFile, "\(message) (line \(line), column \(column), byte \(position))",
      remedy: "repair the JSON or download the file again", location: location)
  }
}

extension UInt8 {
  fileprivate var isDigit: Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= self }
}
