internal import Support

/// What a `tokenizer.json` says beside vocabulary, merges and added tokens, held against what
/// SentencePiece does for Gemma.
///
/// Truncation and padding are the caller's, and a decoder makes no ids: neither matters.
struct TokenizerSettings {
  static let documentMembers: Set = ["normalizer", "pre_tokenizer", "post_processor"]

  private let settings: TokenizerOutline.Settings
  private let location: String

  init(_ settings: TokenizerOutline.Settings, location: String) {
    self.settings = settings
    self.location = location
  }

  var unknownToken: String? { settings.model["unk_token"]?.stringValue }

  /// - Throws: `.unsupported` naming the first thing that is different.
  func check() throws(SanaError) {
    try checkModel()
    try checkNormalizer()
    try checkPreTokenizer()
    try checkPostProcessor()
  }

  private func checkModel() throws(SanaError) {
    let member = { (name: String) in settings.model[name] ?? .null }
    // Documents of old releases name no type.
    guard [.null, "BPE"].contains(member("type")) else {
      throw unsupported("its model is \(Self.kind(of: member("type"))), not BPE")
    }
    guard member("byte_fallback") == true else {
      throw unsupported("its model has no byte fallback")
    }
    guard member("dropout") == .null || member("dropout").numberValue == 0 else {
      throw unsupported("its model has a dropout")
    }
    for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
      guard [.null, ""].contains(member(name)) else {
        throw unsupported("its model has a '\(name)'")
      }
    }
    guard [.null, false].contains(member("ignore_merges")) else {
      throw unsupported("its model ignores merges")
    }
  }

  private func checkNormalizer() throws(SanaError) {
    var normalizer = member("normalizer")
    if normalizer["type"] == "Sequence", let parts = normalizer["normalizers"]?.arrayValue,
      parts.count == 1
    {
      normalizer = parts[0]
    }
    guard normalizer["type"] == "Replace" else {
      throw unsupported("its normalizer is \(Self.kind(of: normalizer)), not Replace")
    }
    guard normalizer["pattern"] == ["String": " "], normalizer["content"] == "\u{2581}" else {
      throw unsupported("its normalizer replaces something else than spaces by U+2581")
    }
  }

  /// Where the normalizer has left no spaces, splitting at spaces does nothing.
  private func checkPreTokenizer() throws(SanaError) {
    let splitter = member("pre_tokenizer")
    guard splitter != .null else { return }
    guard splitter["type"] == "Split" else {
      throw unsupported("its pre-tokenizer is \(Self.kind(of: splitter)), not Split")
    }
    guard splitter["pattern"] == ["String": " "],
      [.null, false].contains(splitter["invert"] ?? .null)
    else { throw unsupported("its pre-tokenizer splits at something else than spaces") }
  }

  private func checkPostProcessor() throws(SanaError) {
    let processor = member("post_processor")
    guard processor["type"] == "TemplateProcessing" else {
      throw unsupported(
        "its post-processor is \(Self.kind(of: processor)), not TemplateProcessing")
    }
    let template = processor["single"]?.arrayValue ?? []
    let beginning = template.first?["SpecialToken"]?["id"]
    guard template.count == 2, beginning?.stringValue == TokenizerDocument.beginningToken,
      template[1]["Sequence"]?["id"] == "A"
    else {
      throw unsupported(
        "its post-processor does something else than put '\(TokenizerDocument.beginningToken)' before the text"
      )
    }
  }

  private func member(_ name: String) -> MetadataValue { settings.document[name] ?? .null }

  /// What a part calls itself.
  private static func kind(of part: MetadataValue) -> String {
    switch part {
    case .null: "missing"
    case .string(let name): "'\(name.abbreviated)'"
    default: part["type"]?.stringValue.map { "'\($0.abbreviated)'" } ?? "of no known type"
    }
  }

  private func unsupported(_ what: String) -> SanaError {
    .inexpressibleTokenizer(location, what)
  }
}
