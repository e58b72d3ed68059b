internal import Support
public import WeightFormats

/// A prompt as the text encoder takes it, and which of the encoder's rows are the caption.
public struct PreparedPrompt: Hashable, Sendable {
  /// The tokens that exist, without padding: beginning token, instruction, prompt.
  public let tokens: [Int32]
  /// Rows of the encoder's output that become the caption, in order; the first is always row 0.
  public let captionRows: [Int]
  /// Length of the sequence that the official pipeline pads to; not computed here.
  public let paddedLength: Int
  /// The end of the prompt that does not fit and was cut off, as text.
  public let truncatedText: String?
}

/// Turns prompts into tokens as the official pipelines do (`SanaPipeline._get_gemma_prompt_embeds`, `encode_prompt`).
///
/// A prompt is lower-cased, stripped and appended to the instruction. The pipeline pads or cuts the sequence on the right to
/// `tokens of the instruction + 300 - 2` and keeps row 0 and the last 299 rows. Padding is never computed here, so the rows are given over
/// the tokens that exist: row 0 and those from `tokens of the instruction - 1` on.
public struct PromptPreparation: Sendable {
  /// Tokens of a caption (`max_sequence_length` of the pipelines).
  public static let standardCaptionLength = 300

  /// Much more than any pieces of a text decide about those before them.
  private static let marginByteCount = 1 << 16

  public let captionLength: Int
  private let tokenizer: Tokenizer
  private let instruction: String?
  private let instructionTokenCount: Int

  /// - Parameters:
  ///   - captionLength: tokens of a caption, at least one, its beginning token included.
  ///   - positions: of the text encoder: no sequence is longer.
  /// - Throws: `.invalidArgument` for an instruction or a caption that the text encoder has no
  ///   positions for.
  public init(
    tokenizer: Tokenizer, instruction: PromptInstruction,
    captionLength: Int = PromptPreparation.standardCaptionLength,
    positions: Int = TextEncoderConfiguration.standardPositions
  ) throws {
    guard 1...positions ~= captionLength else {
      throw SanaError(
        .invalidArgument, "a prompt cannot be cut to \(captionLength) tokens",
        remedy:
          "choose --max-sequence-length 1 to \(positions), the text encoder's positions; the usual one is \(Self.standardCaptionLength)"
      )
    }
    self.tokenizer = tokenizer
    self.captionLength = captionLength
    self.instruction = instruction.text
    instructionTokenCount =
      try instruction.text.map {
        try Self.count($0, tokenizer, captionLength: captionLength, positions: positions)
      } ?? 0
  }

  /// Counts the tokens of an instruction.
  private static func count(
    _ instruction: String, _ tokenizer: Tokenizer, captionLength: Int, positions: Int
  ) throws -> Int {
    let most = positions - captionLength + 2
    func tooLong(_ count: String, remedy: String) -> SanaError {
      SanaError(
        .invalidArgument,
        "the instruction has \(count) tokens, which with the \(captionLength) of the prompt are more than the text encoder's \(positions) positions",
        remedy: remedy)
    }
    // Enough bytes to be too long whatever they are, which is found without tokenizing them.
    let byteCount = instruction.utf8.count
    guard byteCount <= positions * tokenizer.longestPieceByteCount else {
      throw tooLong(
        "more than \(byteCount / tokenizer.longestPieceByteCount)",
        remedy: "shorten it to \(most) tokens at most")
    }
    let count = try tokenizer.encode(instruction).count
    guard count <= most else {
      let longestCaption = positions - count + 2
      throw tooLong(
        "\(count)",
        remedy: "shorten it to \(most) tokens at most"
          + (longestCaption >= 1 ? ", or choose --max-sequence-length \(longestCaption)" : ""))
    }
    return count
  }

  /// The tokens that every prompt begins with, but the instruction's last, whose row is part of the caption; empty without an instruction. The
  /// tokenizer may join the end of an instruction with the beginning of a prompt, so that a prompt's own tokens can differ before.
  public func instructionTokens() throws -> [Int32] {
    guard let instruction else { return [] }
    return try tokenizer.encode(instruction).dropLast()
  }

  /// Prepares a prompt, with the instruction if there is one.
  public func prepare(_ prompt: String) throws -> PreparedPrompt {
    guard let instruction else { return try prepareNegative(prompt) }
    // The pipeline counts the beginning token on both sides of the sum.
    return try prepare(
      instruction, prompt, length: instructionTokenCount + captionLength - 2)
  }

  /// Prepares a negative prompt, which never gets the instruction.
  public func prepareNegative(_ prompt: String) throws -> PreparedPrompt {
    try prepare("", prompt, length: captionLength)
  }

  /// - Parameter length: tokens of instruction and prompt to keep.
  private func prepare(
    _ instruction: String, _ prompt: String, length: Int
  ) throws -> PreparedPrompt {
    // What lies far behind the tokens that are kept has no influence on them. Lowercase letters may
    // have a third of the bytes.
    let byteCount = 3 * length * tokenizer.longestPieceByteCount + Self.marginByteCount
    let tokens = try tokenizer.encode(
      instruction + PromptText.prepare(prompt, atMost: byteCount))
    let kept = Array(tokens.prefix(length))
    let cut = tokens.dropFirst(length)
    // Padding is not computed, so there may be no row from here on.
    let firstRow = length - captionLength + 1
    return PreparedPrompt(
      tokens: kept, captionRows: [0] + Array(firstRow..<max(firstRow, kept.count)),
      paddedLength: length, truncatedText: cut.isEmpty ? nil : try tokenizer.decode(Array(cut)))
  }
}
