/// A strict JSON (RFC 8259) parser for untrusted input.
///
/// Stricter than the standard asks: a name may occur once in an object, and depth, length and number of values are limited.
/// Looser in one point, and only when asked: `Infinity`, `-Infinity` and `NaN`, which Python's `json` writes, are numbers.
public struct JSONParser {
  public struct Options: Sendable {
    /// Longest text in bytes.
    public var byteLimit = 64 << 20
    /// Deepest nesting of arrays and objects.
    public var depthLimit = 64
    /// Most values (of any kind, inner ones included): a value takes some ten times the memory of its shortest text.
    public var valueLimit = 8 << 20
    /// Whether a bare `Infinity`, `-Infinity` or `NaN` is a number.
    public var allowsNonFiniteNumbers = false

    public init() {}

    /// For the configuration files of official checkpoints, which Python wrote.
    public static var configuration: Options {
      var options = Options()
      options.allowsNonFiniteNumbers = true
      return options
    }
  }

  private let text: UnsafeRawBufferPointer
  private let options: Options
  private let location: String
  private var position = 0
  private var values = 0

  /// Parses one JSON value that fills the whole text.
  /// - Parameter location: the file's name for error messages.
  /// - Throws: `.malformedFile` with line, column and byte position.
  public static func parse(
    _ text: UnsafeRawBufferPointer, location: String, options: Options = Options()
  ) throws(SanaError) -> MetadataValue {
    var parser = JSONParser(text: text, options: options, location: location)
    return try parser.parseDocument()
  }

  /// - Throws: `.fileAccess`, or `.malformedFile` with line, column and byte position.
  public static func parse(
    file path: String, options: Options = .configuration
  ) throws(SanaError) -> MetadataValue {
    let file = try MappedFile(path: path)
    if let error = FileKind(file.bytes).refusal(for: .document, path: path) { throw error }
    return try parse(file.bytes, location: path, options: options)
  }

  private init(text: UnsafeRawBufferPointer, options: Options, location: String) {
    self.text = text
    self.options = options
    self.location = location
  }

  private mutating func parseDocument() throws(SanaError) -> MetadataValue {
    guard text.count <= options.byteLimit else {
      throw SanaError(
        .malformedFile,
        "is \(text.count) bytes of JSON, more than the \(options.byteLimit) allowed",
        remedy: "check that it is the right file", location: location)
    }
    skipWhitespace()
    let value = try parseValue(depth: 0)
    skipWhitespace()
    guard position == text.count else { throw failure("there is more after the end of the value") }
    return value
  }

  private mutating func parseValue(depth: Int) throws(SanaError) -> MetadataValue {
    values += 1
    guard values <= options.valueLimit else { throw failure("there are too many values") }
    guard let byte = peek() else { throw failure("the text ends where a value should stand") }
    switch byte {
    case UInt8(ascii: "{"): return try parseObject(depth: depth)
    case UInt8(ascii: "["): return try parseArray(depth: depth)
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "t") where skip("true"): return .bool(true)
    case UInt8(ascii: "f") where skip("false"): return .bool(false)
    case UInt8(ascii: "n") where skip("null"): return .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "I"),
      UInt8(ascii: "N"):
      return try parseNumber()
    default: throw failure("this is no JSON value")
    }
  }

  private mutating func parseObject(depth: Int) throws(SanaError) -> MetadataValue {
    guard depth < options.depthLimit else { throw failure("the nesting is too deep") }
    position += 1
    var members: [MetadataValue.Member] = []
    var names: Set<String> = []
    skipWhitespace()
    if skip("}") { return .object([]) }
    while true {
      skipWhitespace()
      guard peek() == UInt8(ascii: "\"") else { throw failure("a member's name should stand here") }
      let start = position
      let name = try parseString()
      guard names.insert(name).inserted else {
        position = start
        throw failure("the name \"\(name.abbreviated)\" occurs twice in one object")
      }
      skipWhitespace()
      guard skip(":") else { throw failure("a colon should stand here") }
      skipWhitespace()
      members.append(MetadataValue.Member(name, try parseValue(depth: depth + 1)))
      skipWhitespace()
      if skip("}") { return .object(members) }
      guard skip(",") else { throw failure("a comma or a closing brace should stand here") }
    }
  }

  private mutating func parseArray(depth: Int) throws(SanaError) -> MetadataValue {
    guard depth < options.depthLimit else { throw failure("the nesting is too deep") }
    position += 1
    var elements: [MetadataValue] = []
    skipWhitespace()
    if skip("]") { return .array([]) }
    while true {
      skipWhitespace()
      elements.append(try parseValue(depth: depth + 1))
      skipWhitespace()
      if skip("]") { return .array(elements) }
      guard skip(",") else { throw failure("a comma or a closing bracket should stand here") }
    }
  }

  private mutating func parseNumber() throws(SanaError) -> MetadataValue {
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
      position = start
      throw failure("the number is too large")
    }
    return .number(value)
  }

  private mutating func parseString() throws(SanaError) -> String {
    position += 1
    let start = position
    // Most strings have no escapes and are taken as they stand.
    while let byte = peek(), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
      position += 1
    }
    var bytes: [UInt8]?
    while true {
      guard let byte = peek() else { throw failure("the text ends inside a string") }
      if byte == UInt8(ascii: "\"") { break }
      guard byte >= 0x20 else { throw failure("a control character stands inside a string") }
      if bytes == nil { bytes = Array(text[start..<position]) }
      if byte == UInt8(ascii: "\\") {
        bytes?.append(contentsOf: try parseEscape())
      } else {
        bytes?.append(byte)
        position += 1
      }
    }
    let string =
      if let bytes {
        String(validating: bytes, as: UTF8.self)
      } else {
        String(validating: text[start..<position], as: UTF8.self)
      }
    guard let string else {
      position = start
      throw failure("the string is not valid UTF-8")
    }
    position += 1
    return string
  }

  /// An escape sequence as UTF-8.
  private mutating func parseEscape() throws(SanaError) -> [UInt8] {
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
      var code = try parseHexadecimal()
      if code & 0xFC00 == 0xD800 {
        guard skip("\\u") else { throw failure("half a surrogate pair stands alone") }
        let low = try parseHexadecimal()
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

  private mutating func parseHexadecimal() throws(SanaError) -> UInt32 {
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

  private func peek() -> UInt8? {
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

  private mutating func skipDigits() {
    while peek()?.isDigit == true { position += 1 }
  }

  private mutating func skipWhitespace() {
    while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      position += 1
    }
  }

  private func failure(_ message: String) -> SanaError {
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

extension String {
  /// At most 80 characters, for names of untrusted length in messages.
  package var abbreviated: String { count <= 80 ? self : "\(prefix(77))..." }
}
