internal import Support

/// What a `tokenizer.json` of Hugging Face's `tokenizers` says about the ids that a text has:
/// byte-pair encoding over a vocabulary, and tokens that are cut out of a text before.
///
/// Only what Gemma's tokenizers are is read; everything else that would change an id is refused by
/// its name.
struct TokenizerDocument {
  /// A token that is recognized as it stands in a text.
  struct AddedToken {
    let id: Int
    /// Whether it has no text of its own when ids become text again.
    let isSpecial: Bool
    /// Whether it is looked for after the others, in what they leave of the text.
    let isLate: Bool
  }

  /// Two pieces that become one, the better the earlier it stands.
  struct Merge {
    let product: Int32
    /// Where the product is cut in two.
    let leftByteCount: Int32
  }

  static let fileName = "tokenizer.json"
  static let beginningToken = "<bos>"

  let pieces: PieceTable
  /// In the order of the document.
  let addedTokens: [AddedToken]
  /// In the order of their ranks.
  let merges: [Merge]
  let unknownToken: Int
  /// The path, for errors.
  let location: String

  /// - Throws: `.malformedFile` for what is no JSON, or no tokenizer; `.unsupported` for what
  ///   SentencePiece cannot do.
  init(_ text: UnsafeRawBufferPointer, location: String) throws(SanaError) {
    self.location = location
    let outline = try TokenizerOutline(text, location: location)
    let settings = TokenizerSettings(outline.settings, location: location)
    try settings.check()
    (pieces, addedTokens) = try VocabularyReader(outline, location: location).read()
    merges = try MergeReader(outline, pieces: pieces, location: location).read()
    let added = Set(addedTokens.map(\.id))
    guard let unknown = settings.unknownToken, let id = pieces.id(of: unknown.utf8),
      added.contains(id)
    else {
      throw .inexpressibleTokenizer(location, "its unknown token is none of its added tokens")
    }
    unknownToken = id
    let beginning = pieces.id(of: Self.beginningToken.utf8)
    guard addedTokens.contains(where: { $0.id == beginning && $0.isSpecial }) else {
      throw .inexpressibleTokenizer(
        location, "'\(Self.beginningToken)' is none of its special added tokens")
    }
  }

  /// A piece as messages show it.
  func quoted(_ id: Int) -> String { "'\(pieces.text(of: id).abbreviated)'" }
}

extension SanaError {
  static func inexpressibleTokenizer(_ location: String, _ what: String) -> SanaError {
    SanaError(
      .unsupported, "cannot become a SentencePiece model like Gemma's: \(what)",
      remedy:
        "put the tokenizer.model that it was made from beside it, or leave the text encoder out (--components)",
      location: location)
  }

  static func malformedTokenizer(_ location: String, _ what: String) -> SanaError {
    SanaError(
      .malformedFile, "is no tokenizer of byte-pair encoding: \(what)",
      remedy: "download tokenizer/tokenizer.json of the checkpoint again", location: location)
  }
}
