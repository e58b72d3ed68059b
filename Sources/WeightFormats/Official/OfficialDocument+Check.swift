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
      guard SentencePieceOutline.pieceCount(of: contents) != nil else {
        throw SanaError(
          .malformedFile, "is no SentencePiece model, or ends early",
          remedy: "download it again", location: path)
      }
    } else if kind.isInPlaceOfFile, let error = kind.refusal(for: .document, path: path) {
      throw error
    }
  }

  private func parse(at path: String) throws(SanaError) {
    var failure: SanaError?
    contents.withUnsafeBytes { bytes in
      do throws(SanaError) {
        _ = try JSONParser.parse(bytes, location: path, options: .configuration)
      } catch { failure = error }
    }
    if let failure { throw failure }
  }
}
