/// A strict JSON (RFC 8259) parser for untrusted input.
///
/// Stricter than the standard asks: a name may occur once in an object, and depth, length and
/// number of values are limited. Looser in one point, and only when asked: `Infinity`, `-Infinity`
/// and `NaN`, which Python's `json` writes, are numbers.
public struct JSONParser {
  public struct Options: Sendable {
    /// Longest text in bytes.
    public var byteLimit = 64 << 20
    /// Deepest nesting of arrays and objects.
    public var depthLimit = 64
    /// Most values (of any kind, inner ones included): a value takes some ten times the memory of
    /// its shortest text.
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

  /// Parses one JSON value that fills the whole text.
  /// - Parameter location: the file's name for error messages.
  /// - Throws: `.malformedFile` with line, column and byte position.
  public static func parse(
    _ text: UnsafeRawBufferPointer, location: String, options: Options = Options()
  ) throws(SanaError) -> MetadataValue {
    var scanner = try JSONScanner(text, location: location, options: options)
    let value = try scanner.readValue()
    try scanner.readEnd()
    return value
  }

  /// Reads a text by all rules but that of names that occur twice, and keeps nothing of it: a large
  /// one takes no memory.
  /// - Throws: `.malformedFile` with line, column and byte position.
  package static func validate(
    _ text: UnsafeRawBufferPointer, location: String, options: Options = Options()
  ) throws(SanaError) {
    var scanner = try JSONScanner(text, location: location, options: options)
    try scanner.skipValue()
    try scanner.readEnd()
  }

  /// - Throws: `.fileAccess`, or `.malformedFile` with line, column and byte position.
  public static func parse(
    file path: String, options: Options = .configuration
  ) throws(SanaError) -> MetadataValue {
    let file = try MappedFile(path: path)
    if let error = FileKind(file.bytes).refusal(for: .document, path: path) { throw error }
    return try parse(file.bytes, location: path, options: options)
  }
}
