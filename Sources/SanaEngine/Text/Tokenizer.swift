internal import CSentencePiece
internal import Support
internal import WeightFormats

/// Gemma's tokenizer: text to token ids and back.
///
/// The ids are those of the official pipeline, which reads `tokenizer.json`: control tokens and user-defined tokens that stand
/// in the text (`<bos>`, `<start_of_turn>`, runs of newlines) are cut out first, leftmost and longest, and only what lies
/// between them goes through SentencePiece's BPE.
public final class Tokenizer: @unchecked Sendable {
  // Sendable: the library's object is only read after it is loaded.

  /// Number of ids: valid ones are 0 ..< count.
  public let vocabularySize: Int
  /// Bytes of the longest piece: no token stands for more of a text.
  let longestPieceByteCount: Int
  /// The token that begins every sequence.
  public let beginningToken: Int32
  private let model: OpaquePointer
  private let addedTokens: AddedTokens

  /// - Parameter model: the bytes of `tokenizer.model`.
  /// - Throws: `.malformedFile` when they are no SentencePiece model with a `<bos>` token.
  public init(model bytes: [UInt8]) throws {
    let vocabulary = try SentencePieceModel(bytes)
    let beginning = vocabulary.pieces.firstIndex {
      $0.type == .control && $0.text.elementsEqual("<bos>".utf8)
    }
    var model: OpaquePointer?
    guard let beginning, bytes.count <= Int(Int32.max),
      sana_sentencepiece_create(bytes, bytes.count, &model) == SANA_SENTENCEPIECE_OK, let model
    else {
      throw SanaError(
        .malformedFile, "the tokenizer is no SentencePiece model of the Gemma family",
        remedy: "download tokenizer/tokenizer.model of the checkpoint again")
    }
    self.model = model
    vocabularySize = vocabulary.pieces.count
    longestPieceByteCount = vocabulary.pieces.reduce(1) { max($0, $1.text.count) }
    beginningToken = Int32(beginning)
    addedTokens = AddedTokens(vocabulary)
  }

  deinit { sana_sentencepiece_destroy(model) }

  /// Token ids of a text, the beginning token first. No end token is ever added.
  public func encode(_ text: String) throws -> [Int32] {
    var tokens = [beginningToken]
    for part in addedTokens.split(Array(text.utf8)) {
      switch part {
      case .token(let token): tokens.append(token)
      case .text(let bytes): tokens += try encodePlain(bytes)
      }
    }
    return tokens
  }

  /// The text of token ids. Control tokens have none.
  /// - Throws: `.invalidArgument` for an id outside the vocabulary.
  public func decode(_ tokens: [Int32]) throws -> String {
    var text: UnsafeMutablePointer<CChar>?
    var count = 0
    let status = sana_sentencepiece_decode(model, tokens, tokens.count, &text, &count)
    defer { sana_sentencepiece_free(text) }
    guard status == SANA_SENTENCEPIECE_OK, let text else {
      throw SanaError(
        .invalidArgument, "the tokens cannot be turned into text",
        remedy: "give ids below \(vocabularySize)")
    }
    return String(
      decoding: UnsafeRawBufferPointer(start: text, count: count), as: UTF8.self)
  }

  private func encodePlain(_ bytes: ArraySlice<UInt8>) throws -> [Int32] {
    var tokens: UnsafeMutablePointer<Int32>?
    var count = 0
    let status = bytes.withUnsafeBytes { text in
      text.withMemoryRebound(to: CChar.self) {
        sana_sentencepiece_encode(model, $0.baseAddress, $0.count, &tokens, &count)
      }
    }
    defer { sana_sentencepiece_free(tokens) }
    guard status == SANA_SENTENCEPIECE_OK, let tokens else {
      throw SanaError(
        .invalidArgument, "the text cannot be tokenized", remedy: "shorten the prompt")
    }
    return Array(UnsafeBufferPointer(start: tokens, count: count))
  }
}
