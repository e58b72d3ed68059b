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

  public let captionLength: Int
  private let tokenizer: Tokenizer
  private let instruction: String?
  private let instructionTokenCount: Int

  /// - Parameter captionLength: at least 2.
  public init(
    tokenizer: Tokenizer, instruction: PromptInstruction,
    captionLength: Int = PromptPreparation.standardCaptionLength
  ) throws {
    precondition(captionLength >= 2)
    self.tokenizer = tokenizer
    self.captionLength = captionLength
    self.instruction = instruction.text
    instructionTokenCount = try instruction.text.map { try tokenizer.encode($0).count } ?? 0
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
      instruction + PromptText.prepare(prompt),
      length: instructionTokenCount + captionLength - 2)
  }

  /// Prepares a negative prompt, which never gets the instruction.
  public func prepareNegative(_ prompt: String) throws -> PreparedPrompt {
    try prepare(PromptText.prepare(prompt), length: captionLength)
  }

  private func prepare(_ text: String, length: Int) throws -> PreparedPrompt {
    let tokens = try tokenizer.encode(text)
    let kept = Array(tokens.prefix(length))
    let cut = tokens.dropFirst(length)
    let firstRow = length - captionLength + 1
    return PreparedPrompt(
      tokens: kept, captionRows: [0] + Array(firstRow..<max(firstRow, kept.count)),
      paddedLength: length, truncatedText: cut.isEmpty ? nil : try tokenizer.decode(Array(cut)))
  }
}
