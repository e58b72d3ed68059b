/// A tree of typed values: what a JSON file holds, and what a `.sana` file keeps as metadata.
public enum MetadataValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int64)
  /// May be infinite or NaN: official scheduler files hold a bare `-Infinity`.
  case number(Double)
  case string(String)
  case bytes([UInt8])
  case array([MetadataValue])
  /// Members in the order of the file; names are unique.
  case object([Member])

  public struct Member: Hashable, Sendable {
    public let name: String
    public let value: MetadataValue

    public init(_ name: String, _ value: MetadataValue) {
      self.name = name
      self.value = value
    }
  }
}

extension MetadataValue {
  /// The member with this name, or `nil` when there is none or this is no object.
  public subscript(name: String) -> MetadataValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  public var stringValue: String? {
    if case .string(let value) = self { value } else { nil }
  }

  public var boolValue: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// An integer, or a number with an integral value.
  public var integerValue: Int? {
    switch self {
    case .integer(let value): Int(exactly: value)
    case .number(let value): Int(exactly: value)
    default: nil
    }
  }

  public var numberValue: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  public var arrayValue: [MetadataValue]? {
    if case .array(let values) = self { values } else { nil }
  }

  public var members: [Member]? {
    if case .object(let members) = self { members } else { nil }
  }
}
