internal import Support

/// The files of a checkpoint's tokenizer that say which ids a text has.
package enum TokenizerFiles {
  /// SentencePiece's own.
  package static let model = "tokenizer.model"
  /// The model that a conversion makes of a `tokenizer.json`. No checkpoint has such a file, and
  /// none is exported.
  package static let madeModel = "tokenizer.json.model"

  /// The model to add to a tokenizer's files.
  ///
  /// The official pipeline reads `tokenizer.json` where there is one, so that is what the ids must
  /// be those of.
  /// - Parameters:
  ///   - documents: the files.
  ///   - directory: where they lie, for errors.
  /// - Returns: no model where there is no `tokenizer.json`, or a `tokenizer.model` gives the same
  ///   ids; and what the person should know.
  /// - Throws: `.malformedFile`; `.unsupported` for a `tokenizer.json` that stands alone and cannot
  ///   be expressed.
  static func makeModel(
    for documents: [OfficialDocument], in directory: String
  ) throws(SanaError) -> (model: OfficialDocument?, notice: String?) {
    let model = documents.first { $0.name == Self.model }
    guard let json = documents.first(where: { $0.name == TokenizerDocument.fileName }) else {
      if let model {
        _ = try model.sentencePieceModel(in: directory)
        return (nil, nil)
      }
      return (
        nil,
        "there is no tokenizer.json and no tokenizer.model, one of which sana-run needs to read prompts"
      )
    }
    let made: SentencePieceModel
    do throws(SanaError) {
      made = try SentencePieceModel(
        json: json.contents, location: FileSystem.join(directory, json.name))
    } catch {
      guard model != nil, error.code == .unsupported else { throw error }
      return (nil, "tokenizer.model is used, and tokenizer.json is not: it \(error.message)")
    }
    var notice: String?
    if let model {
      let difference =
        if let other = try? SentencePieceModel(model.contents) {
          made.difference(from: other, named: model.name)
        } else { "tokenizer.model cannot be read" }
      guard let difference else { return (nil, nil) }
      notice = "tokenizer.json is used, and tokenizer.model is not: \(difference)"
    }
    return (OfficialDocument(name: madeModel, contents: made.encoded), notice)
  }

  /// The model that gives the ids, among a tokenizer's files and what was made of them.
  package static func decidingModel(among names: some Sequence<String>) -> String? {
    let names = Set(names)
    return [madeModel, model].first { names.contains($0) }
  }
}
