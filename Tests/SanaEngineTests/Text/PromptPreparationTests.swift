import SanaEngine
import TestSupport
import Testing
import Traces
import WeightFormats

@Suite struct PromptPreparationTests {
  private func preparation(
    _ instruction: PromptInstruction, captionLength: Int = 300
  ) throws -> PromptPreparation {
    try PromptPreparation(
      tokenizer: Tokenizer(model: TokenizerTests.modelBytes), instruction: instruction,
      captionLength: captionLength)
  }

  @Test(arguments: ["sana-tiny", "sana15-tiny", "sprint-tiny"])
  func tokensAndRowsAreThoseOfTheOfficialPipeline(name: String) throws {
    for trace in try ReferenceTraces.files(name) {
      for path in try ReferenceTraces.cases(of: trace) {
        let hasInstruction = try trace.number("chi", of: path) != 0
        let preparation = try preparation(hasInstruction ? .standard : .none)
        let prompts = try strings(trace.string("prompt", of: path))
        let tokens = try trace.int32("\(path)/text/positive/input_ids")
        let mask = try trace.int32("\(path)/text/positive/attention_mask")
        let captionMask = try trace.int32("\(path)/text/prompt_attention_mask")
        for (index, prompt) in prompts.enumerated() {
          let prepared = try preparation.prepare(prompt)
          expectEqual(prepared, tokens: tokens[index].values, mask: mask[index].values)
          #expect(
            prepared.captionRows.count == captionMask[index].values.reduce(0) { $0 + Int($1) })
          #expect(prepared.captionRows.last == prepared.tokens.count - 1)
        }
        guard trace.contains("\(path)/text/negative") else { continue }
        let prepared = try preparation.prepareNegative(try trace.string("negative", of: path))
        let negative = try trace.int32("\(path)/text/negative/input_ids")
        let negativeMask = try trace.int32("\(path)/text/negative/attention_mask")
        expectEqual(prepared, tokens: negative[0].values, mask: negativeMask[0].values)
      }
    }
  }

  private func expectEqual(_ prepared: PreparedPrompt, tokens: [Int32], mask: [Int32]) {
    #expect(prepared.paddedLength == tokens.count)
    #expect(prepared.tokens == zip(tokens, mask).filter { $0.1 == 1 }.map(\.0))
    #expect(prepared.truncatedText == nil)
  }

  private func strings(_ json: String) throws -> [String] {
    let value = try Array(json.utf8).withUnsafeBytes {
      try JSONParser.parse($0, location: "prompt")
    }
    return value.arrayValue?.compactMap { $0.stringValue } ?? []
  }

  @Test func anOverlongPromptLosesItsEnd() throws {
    let words = (0..<100).map { "w\($0)" }.joined(separator: " ")
    let whole = try preparation(.none, captionLength: 300).prepare(words)
    let cut = try preparation(.none, captionLength: 100).prepare(words)
    #expect(whole.tokens.count > 100)
    #expect(cut.tokens == Array(whole.tokens.prefix(100)))
    #expect(cut.captionRows == Array(0..<100))
    #expect(cut.truncatedText.map(words.hasSuffix) == true)

    let instructed = try preparation(.custom("Draw: "), captionLength: 100).prepare(words)
    #expect(instructed.captionRows.count == 100)
    #expect(instructed.tokens.count == instructed.paddedLength)
    #expect(instructed.captionRows[1] == instructed.tokens.count - 99)
  }

  @Test func anInstructionFileMayEndInALineBreak() {
    #expect(PromptInstruction(contents: "a\nb: \n") == .custom("a\nb: "))
    #expect(PromptInstruction(contents: "a\nb: \r\n") == .custom("a\nb: "))
    #expect(PromptInstruction(contents: "a\n\n") == .custom("a\n"))
    #expect(PromptInstruction(contents: "a") == .custom("a"))
  }

  @Test func anEmptyInstructionIsNone() throws {
    #expect(
      try preparation(.custom("")).prepare("A cat") == preparation(.none).prepare("A cat"))
  }

  @Test func negativePromptsNeverGetTheInstruction() throws {
    #expect(
      try preparation(.standard).prepareNegative(" Blurry ")
        == preparation(.none).prepare("blurry"))
  }
}
