/// Writes a value as JSON, the same text for the same value always.
public struct JSONWriter {
  public enum Style: Sendable {
    /// One line, no spaces.
    case compact
    /// Two spaces a level, one member a line: as diffusers and transformers write their
    /// configurations.
    case indented
  }

  private var text: [UInt8] = []
  private let style: Style

  /// - Non-finite numbers become `Infinity`, `-Infinity` and `NaN`, as Python's `json` writes and
  ///   reads them.
  /// - Bytes, which JSON does not have, become a base64 string.
  public static func write(_ value: MetadataValue, style: Style = .compact) -> [UInt8] {
    var writer = JSONWriter(style: style)
    writer.append(value, depth: 0)
    if case .indented = style { writer.text.append(UInt8(ascii: "\n")) }
    return writer.text
  }

  private init(style: Style) { self.style = style }

  private mutating func append(_ value: MetadataValue, depth: Int) {
    switch value {
    case .null: append("null")
    case .bool(let value): append(value ? "true" : "false")
    case .integer(let value): append(String(value))
    case .number(let value): append(Self.text(of: value))
    case .string(let value): appendQuoted(value)
    case .bytes(let value): appendQuoted(Self.base64(value))
    case .array(let elements):
      appendSequence(elements, open: "[", close: "]", depth: depth) { writer, element in
        writer.append(element, depth: depth + 1)
      }
    case .object(let members):
      appendSequence(members, open: "{", close: "}", depth: depth) { writer, member in
        writer.appendQuoted(member.name)
        writer.append(writer.style == .compact ? ":" : ": ")
        writer.append(member.value, depth: depth + 1)
      }
    }
  }

  private mutating func appendSequence<Element>(
    _ elements: [Element], open: String, close: String, depth: Int,
    appendElement: (inout JSONWriter, Element) -> Void
  ) {
    append(open)
    for (index, element) in elements.enumerated() {
      if index > 0 { append(",") }
      breakLine(depth: depth + 1)
      appendElement(&self, element)
    }
    if !elements.isEmpty { breakLine(depth: depth) }
    append(close)
  }

  private mutating func breakLine(depth: Int) {
    guard style == .indented else { return }
    text.append(UInt8(ascii: "\n"))
    text.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * depth))
  }

  private mutating func append(_ string: String) {
    text.append(contentsOf: string.utf8)
  }

  /// What terminals obey is escaped, wherever the text will be read.
  private mutating func appendQuoted(_ string: String) {
    append("\"")
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": append("\\\"")
      case "\\": append("\\\\")
      case "\n": append("\\n")
      case "\r": append("\\r")
      case "\t": append("\\t")
      case _ where scalar.isObeyed:
        for unit in String(scalar).utf16 { append(Self.escape(unit)) }
      default: text.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
      }
    }
    append("\"")
  }

  private static func escape(_ unit: UInt16) -> String {
    let digits = String(unit, radix: 16)
    return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
  }

  private static func text(of value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
    return "\(value)"
  }

  private static func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var result = ""
    result.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = (0..<3).reduce(0) { $0 << 8 | Int($1 < group.count ? group[start + $1] : 0) }
      for index in 0..<4 {
        result.append(index <= group.count ? alphabet[bits >> (18 - 6 * index) & 63] : "=")
      }
    }
    return result
  }
}
