internal import Support

extension OfficialDocument {
  /// Whether the contents are what the name says.
  /// - Parameter directory: where the file lies, for errors.
  /// - Throws: `.malformedFile` saying what it is instead, or where it breaks off.
  func check(in directory: String) throws(SanaError) {
    let path = FileSystem.join(directory, name)
    let kind = contents.withUnsafeBytes { FileKind($0) }
    if name.hasSuffix(".json") {
      if let error = kind.refusal(for: .document, path: path) { throw error }
      // What only a tokenizer understands is read by who makes one of it.
      guard name != "tokenizer.json" else { return }
      try parse(at: path)
    } else if name.hasSuffix(".model") {
      if let error = kind.refusal(for: .vocabulary, path: path) { throw error }
      do throws(SanaError) {
        _ = try sentencePieceModel(in: directory)
      } catch {
        // A model of another kind does no harm beside a tokenizer.json.
        guard error.code == .unsupported else { throw error }
      }
    } else if kind.isInPlaceOfFile, let error = kind.refusal(for: .document, path: path) {
      throw error
    }
  }

  /// The contents as a SentencePiece model.
  /// - Throws: `.malformedFile` when they are none, or end early; `.unsupported` for one that is
  ///   not of Gemma's kind.
  func sentencePieceModel(in directory: String) throws(SanaError) -> SentencePieceModel {
    do throws(SanaError) {
      return try SentencePieceModel(contents)
    } catch {
      throw SanaError(
        error.code,
        error.code == .malformedFile ? "is no SentencePiece model, or ends early" : error.message,
        remedy: error.remedy, location: FileSystem.join(directory, name))
    }
  }

  private func parse(at path: String) throws(SanaError) {
    var failure: SanaError?
    contents.withUnsafeBytes { bytes in
      do throws(SanaError) {
        try JSONParser.validate(bytes, location: path, options: .configuration)
      } catch { failure = error }
    }
    if let failure { throw failure }
  }
}
