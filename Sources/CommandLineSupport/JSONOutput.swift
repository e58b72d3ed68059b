public import Support

/// The one JSON object that `--json` prints.
public enum JSONOutput {
  /// Prints the value on standard output. Numbers that JSON does not have (an infinite signal-to-noise ratio) become `null`.
  /// - Throws: as `OutputStream.write(_:)`.
  public static func print(_ value: MetadataValue) throws(SanaError) {
    let text = JSONWriter.write(strict(value), style: .indented)
    try OutputStream.standardOutput.write(String(decoding: text, as: UTF8.self))
  }

  private static func strict(_ value: MetadataValue) -> MetadataValue {
    switch value {
    case .number(let number): number.isFinite ? value : .null
    case .array(let elements): .array(elements.map(strict))
    case .object(let members): .object(members.map { .init($0.name, strict($0.value)) })
    case .null, .bool, .integer, .string, .bytes: value
    }
  }
}
