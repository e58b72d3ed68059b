/// The "complex human instruction" (Sana paper, section 3.3): a text before the prompt that makes Gemma think about details.
public enum PromptInstruction: Hashable, Sendable {
  /// The one that the official pipelines use unless told otherwise.
  case standard
  case none
  /// Another text, to which the prompt is appended as it is. An empty one counts as none.
  case custom(String)

  /// The contents of an instruction file. One line break at the end, which editors add, does not count.
  public init(contents: String) {
    let scalars = contents.unicodeScalars
    let ending = ["\r\n", "\n"].first {
      contents.unicodeScalars.suffix($0.unicodeScalars.count).elementsEqual($0.unicodeScalars)
    }
    self = .custom(String(scalars.dropLast(ending?.unicodeScalars.count ?? 0)))
  }

  /// The text that the prompt is appended to, or `nil`.
  var text: String? {
    switch self {
    case .standard: StandardInstruction.text
    case .none: nil
    case .custom(let text): text.isEmpty ? nil : text
    }
  }
}
