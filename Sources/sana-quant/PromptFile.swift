import Support

/// A text file of prompts, one a line.
struct PromptFile {
  let prompts: [String]

  private static let greatestByteCount = 16 << 20

  /// - Throws: `.fileAccess`, `.invalidArgument` for what is no text or holds no prompt.
  init(path: String) throws {
    let file = try MappedFile(path: path)
    guard file.byteCount <= Self.greatestByteCount,
      let text = String(validating: file.bytes, as: UTF8.self)
    else {
      throw SanaError(
        .invalidArgument, "is no UTF-8 text of at most \(Self.greatestByteCount >> 20) MiB",
        remedy: "name a text file with one prompt a line", location: path)
    }
    prompts = text.split(whereSeparator: \.isNewline).map(String.init)
      .filter { !$0.allSatisfy(\.isWhitespace) }
    guard !prompts.isEmpty else {
      throw SanaError(
        .invalidArgument, "holds no prompt", remedy: "write one prompt a line", location: path)
    }
  }
}
