public import ArgumentParser

/// A number of bytes as people write it: `512MiB`, `4GiB`, `1.5GB`, `1000000`.
public struct ByteSize: Hashable, Sendable {
  public let bytes: Int

  public init(_ bytes: Int) { self.bytes = bytes }

  /// Accepts a decimal number, then nothing, `B`, a decimal unit (`kB`, `MB`, `GB`, `TB`) or a binary one (`KiB`, `MiB`, `GiB`,
  /// `TiB`), in any case, with or without a space between. `nil` for anything else, and for more than an `Int` holds.
  public init?(parsing text: String) {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
    guard let factor = Self.factors[unit], digits.first?.isNumber == true,
      let number = Double(digits), let bytes = Int(exactly: (number * factor).rounded())
    else { return nil }
    self.bytes = bytes
  }

  private static let factors: [String: Double] = [
    "": 1, "b": 1,
    "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
    "kib": 0x1p10, "mib": 0x1p20, "gib": 0x1p30, "tib": 0x1p40,
  ]
}

extension ByteSize: CustomStringConvertible {
  /// Three digits and a binary unit, `1.46 GiB`; bytes below 1 KiB as they are.
  public var description: String {
    var value = Double(bytes)
    guard value >= 1024 else { return "\(bytes) B" }
    var unit = ""
    for next in ["KiB", "MiB", "GiB", "TiB"] where value >= 999.5 {
      value /= 1024
      unit = next
    }
    let decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
    return "\(value.formatted(decimals: decimals)) \(unit)"
  }
}

extension ByteSize: ExpressibleByArgument {
  public init?(argument: String) { self.init(parsing: argument) }
  public var defaultValueDescription: String { description }
}
