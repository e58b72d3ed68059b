internal import Support

/// The names of a text encoder that was saved as part of a language model: `model.` before its own
/// names, and the output layer beside them, which computes words and not what prompts mean.
struct LanguageModelNames {
  /// The text encoder's names, and those in the file.
  let sourceNames: [String: String]
  let notices: [String]

  private static let head = "lm_head.weight"
  private static let embedding = "embed_tokens.weight"
  private static let prefix = "model."

  /// - Parameters:
  ///   - names: of tensors, and those in the file.
  ///   - tiesEmbedding: whether the output layer is the embedding table again, which may then be
  ///     missing.
  /// - Returns: `nil` when there is no output layer.
  init?(_ names: [String: String], tiesEmbedding: Bool) {
    guard let head = names[Self.head] else { return nil }
    var own = names
    own[Self.head] = nil
    if own.keys.allSatisfy({ $0.hasPrefix(Self.prefix) }) {
      own = Dictionary(
        uniqueKeysWithValues: own.map { (String($0.key.dropFirst(Self.prefix.count)), $0.value) })
    }
    var notices: [String] = []
    if own[Self.embedding] == nil, tiesEmbedding,
      own.keys.contains(where: { $0.hasPrefix("layers.") })
    {
      own[Self.embedding] = head
      notices.append("'\(Self.embedding)' is read from '\(head.abbreviated)', which is tied to it")
    } else if own[Self.embedding] != head {
      notices.append("'\(head.abbreviated)' is not used and left out")
    }
    sourceNames = own
    self.notices = notices
  }
}
