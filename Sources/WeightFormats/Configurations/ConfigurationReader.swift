internal import Support

/// Takes the values out of one official configuration file, checks each, and says which key is
/// wrong.
struct ConfigurationReader {
  let document: MetadataValue
  /// The file, for error messages.
  let location: String

  init(_ document: MetadataValue, location: String) throws(SanaError) {
    guard document.members != nil else {
      throw SanaError(
        .invalidConfiguration, "is not a JSON object",
        remedy: "download the configuration again", location: location)
    }
    self.document = document
    self.location = location
  }

  /// The value, or `nil` when the key is absent or `null`: Python configurations make no
  /// difference.
  func value(_ key: String) -> MetadataValue? {
    guard let value = document[key], value != .null else { return nil }
    return value
  }

  func integer(
    _ key: String, default defaultValue: Int? = nil, in range: ClosedRange<Int>
  ) throws(SanaError) -> Int {
    guard let value = value(key) else { return try required(key, defaultValue) }
    return try integer(value, key: key, in: range)
  }

  func integer(
    _ value: MetadataValue, key: String, in range: ClosedRange<Int>
  ) throws(SanaError) -> Int {
    guard let integer = value.integerValue, range.contains(integer) else {
      throw nonsense(key, value, "an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return integer
  }

  /// A finite number.
  func number(
    _ key: String, default defaultValue: Double? = nil, in range: ClosedRange<Double>
  ) throws(SanaError) -> Double {
    guard let value = value(key) else { return try required(key, defaultValue) }
    guard let number = value.numberValue, range.contains(number) else {
      throw nonsense(key, value, "a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func bool(_ key: String, default defaultValue: Bool) throws(SanaError) -> Bool {
    guard let value = value(key) else { return defaultValue }
    guard let bool = value.boolValue else { throw nonsense(key, value, "true or false") }
    return bool
  }

  func string(_ key: String, default defaultValue: String? = nil) throws(SanaError) -> String {
    guard let value = value(key) else { return try required(key, defaultValue) }
    guard let string = value.stringValue else { throw nonsense(key, value, "a string") }
    return string
  }

  func array(_ key: String) throws(SanaError) -> [MetadataValue] {
    guard let value = value(key) else { return try required(key, nil) }
    guard let array = value.arrayValue else { throw nonsense(key, value, "a list") }
    return array
  }

  /// Refuses a variant of the architecture that is not implemented.
  func require(
    _ key: String, is expected: MetadataValue, default defaultValue: MetadataValue? = nil
  ) throws(SanaError) {
    guard let value = value(key) ?? defaultValue else { return try required(key, nil) }
    guard value == expected else { throw unsupported(key, value) }
  }

  func unsupported(_ key: String, _ value: MetadataValue) -> SanaError {
    SanaError(
      .unsupported, "'\(key)' is \(Self.text(value)), a variant that is not supported",
      remedy: "use a released Sana, SANA-1.5 or SANA-Sprint checkpoint", location: location)
  }

  func nonsense(_ key: String, _ value: MetadataValue, _ expectation: String) -> SanaError {
    invalid("'\(key)' is \(Self.text(value)) but must be \(expectation)")
  }

  func invalid(_ message: String) -> SanaError {
    SanaError(
      .invalidConfiguration, message, remedy: "correct the configuration or download it again",
      location: location)
  }

  private func required<Value>(_ key: String, _ value: Value?) throws(SanaError) -> Value {
    guard let value else { throw invalid("'\(key)' is missing") }
    return value
  }

  private static func text(_ value: MetadataValue) -> String {
    String(decoding: JSONWriter.write(value), as: UTF8.self).abbreviated
  }
}
