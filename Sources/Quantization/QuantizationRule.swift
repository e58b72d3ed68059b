public import Support

/// Gives tensors whose name a regular expression finds something in a target.
public struct QuantizationRule: Hashable, Sendable {
  /// A Swift regular expression, sought anywhere in `component/name`.
  public let pattern: String
  public let target: TensorTarget

  /// - Throws: `.invalidArgument` when the pattern is no regular expression.
  public init(_ pattern: String, _ target: TensorTarget) throws(SanaError) {
    self.pattern = pattern
    self.target = target
    _ = try compiled()
  }

  /// Reads `regex=encoding`; the last equals sign separates the two.
  /// - Throws: `.invalidArgument` for a bad regular expression or an unknown encoding.
  public init(parsing text: String) throws(SanaError) {
    guard let separator = text.lastIndex(of: "="), separator != text.startIndex else {
      throw SanaError(
        .invalidArgument, "the rule '\(text.abbreviated)' is not of the form regex=encoding",
        remedy: "write for example 'attn2.to_q=f16'")
    }
    let name = String(text[text.index(after: separator)...])
    guard let target = TensorTarget(parsing: name) else {
      throw SanaError(
        .invalidArgument,
        "the rule '\(text.abbreviated)' names an unknown encoding '\(name.abbreviated)'",
        remedy: "use \(TensorTarget.grammar)")
    }
    try self.init(String(text[..<separator]), target)
  }

  /// A rule of a recipe, whose pattern is known to be good.
  init(builtIn pattern: String, _ target: TensorTarget) {
    self.pattern = pattern
    self.target = target
  }

  func compiled() throws(SanaError) -> Regex<AnyRegexOutput> {
    do { return try Regex(pattern) } catch {
      throw SanaError(
        .invalidArgument, "'\(pattern.abbreviated)' is not a regular expression",
        remedy: "check its brackets and escapes", cause: error)
    }
  }
}

extension QuantizationRule: CustomStringConvertible {
  public var description: String { "\(pattern)=\(target)" }
}
