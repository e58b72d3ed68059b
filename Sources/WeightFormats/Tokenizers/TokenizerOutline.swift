internal import Support

/// Where the large parts of a `tokenizer.json` stand, so that they are read without a tree of
/// values, and its small ones as trees.
struct TokenizerOutline {
  enum Part: String {
    case addedTokens = "added_tokens"
    case vocabulary = "vocab"
    case merges
  }

  /// The document's normalizer, pre-tokenizer and post-processor, and what the model says beside
  /// vocabulary and merges.
  struct Settings {
    var document: [String: MetadataValue] = [:]
    var model: [String: MetadataValue] = [:]
  }

  let settings: Settings
  private let places: [Part: JSONScanner]
  private let location: String

  /// - Parameter text: outlives the outline.
  /// - Throws: `.malformedFile`.
  init(_ text: UnsafeRawBufferPointer, location: String) throws(SanaError) {
    var options = JSONParser.Options()
    options.byteLimit = 128 << 20
    // Of the settings; the large parts make no values.
    options.valueLimit = 1 << 16
    var scanner = try JSONScanner(text, location: location, options: options)
    var settings = Settings()
    var places: [Part: JSONScanner] = [:]
    var names: Set<ExactString> = []
    try scanner.readObject { scanner throws(SanaError) in
      switch try scanner.readName(unlike: &names) {
      case "model":
        var names: Set<ExactString> = []
        try scanner.readObject { scanner throws(SanaError) in
          let name = try scanner.readName(unlike: &names)
          if let part = Part(rawValue: name), part != .addedTokens {
            places[part] = scanner
            try scanner.skipValue()
          } else {
            settings.model[name] = try scanner.readValue()
          }
        }
      case Part.addedTokens.rawValue:
        places[.addedTokens] = scanner
        try scanner.skipValue()
      case let name where TokenizerSettings.documentMembers.contains(name):
        settings.document[name] = try scanner.readValue()
      default: try scanner.skipValue()
      }
    }
    try scanner.readEnd()
    self.settings = settings
    self.places = places
    self.location = location
  }

  /// A scanner at the part's value.
  /// - Throws: `.malformedFile` when the document has none.
  func scanner(of part: Part) throws(SanaError) -> JSONScanner {
    guard let scanner = places[part] else {
      throw .malformedTokenizer(location, "it has no '\(part.rawValue)'")
    }
    return scanner
  }
}

extension JSONScanner {
  /// Reads a member's name and the colon.
  /// - Parameter names: those of the object so far.
  fileprivate mutating func readName(
    unlike names: inout Set<ExactString>
  ) throws(SanaError) -> String {
    let start = position
    let name = try readName()
    guard names.insert(ExactString(name)).inserted else {
      throw moved(to: start).failure("the name \"\(name.abbreviated)\" occurs twice in one object")
    }
    return name
  }
}
