import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing
import Traces

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

  /// Ids, masks and the rows that the official pipeline selects for other lengths than 300.
  @Test func otherLengthsAreCutAsTheOfficialPipelineDoes() throws {
    let trace = try TraceFile(
      path: Fixtures.directory.appending(path: "traces/sequence-lengths.h5").path)
    let paths = try ReferenceTraces.cases(of: trace)
    #expect(paths.count == 5)
    for path in paths {
      let length = Int(try trace.number("max_sequence_length", of: "\(path)/text"))
      let hasInstruction = try trace.number("chi", of: path) != 0
      let preparation = try preparation(
        hasInstruction ? .standard : .none, captionLength: length)
      let tokens = try trace.int32("\(path)/text/positive/input_ids")
      let mask = try trace.int32("\(path)/text/positive/attention_mask")
      let captionMask = try trace.int32("\(path)/text/prompt_attention_mask")
      for (index, prompt) in try strings(trace.string("prompt", of: path)).enumerated() {
        let prepared = try preparation.prepare(prompt)
        #expect(prepared.paddedLength == tokens.shape[1])
        #expect(
          prepared.tokens
            == zip(tokens[index].values, mask[index].values).filter { $0.1 == 1 }.map(\.0))
        #expect(
          prepared.captionRows.count == captionMask[index].values.reduce(0) { $0 + Int($1) })
      }
    }
  }

  @Test(arguments: [0, -1, 8193, Int.max])
  func lengthsThatTheEncoderHasNoPositionsForAreRefused(length: Int) {
    let error = #expect(throws: SanaError.self) { try preparation(.none, captionLength: length) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.remedy.contains("1 to 8192") == true)
  }

  @Test func anInstructionLongerThanTheContextIsRefusedWithBothNumbers() throws {
    let clock = ContinuousClock()
    func refusal(_ words: Int, captionLength: Int = 300) -> SanaError? {
      #expect(throws: SanaError.self) {
        try preparation(
          .custom(String(repeating: "x1 ", count: words)), captionLength: captionLength)
      }
    }
    let error = try #require(refusal(9000))
    #expect(error.code == .invalidArgument)
    #expect(error.message.contains("8192 positions") && error.message.contains("has 2"))
    #expect(error.remedy == "shorten it to 7894 tokens at most")
    // One that would leave a short caption room.
    let count =
      try preparation(.custom(String(repeating: "x1 ", count: 2700)), captionLength: 1)
      .instructionTokens().count + 1
    #expect(7895...8192 ~= count)
    #expect(
      try #require(refusal(2700)).remedy.hasSuffix("--max-sequence-length \(8192 - count + 2)"))
    // Far too many bytes are not tokenized at all.
    let time = clock.measure { _ = refusal(10_000_000) }
    #expect(time < .seconds(5))
  }

  @Test func ofAVeryLongPromptOnlyTheBeginningIsTokenized() throws {
    let preparation = try preparation(.standard, captionLength: 40)
    let beginning = String(repeating: "\u{0130}stanbul, SEVEN foxes; ", count: 1000)
    let spaces = String(repeating: " ", count: 300_000)
    let short = try preparation.prepare(beginning)
    let clock = ContinuousClock()
    let time = try clock.measure {
      let long = try preparation.prepare(
        spaces + beginning + String(repeating: "\u{0130}stanbul! ", count: 2_000_000))
      #expect(long.tokens == short.tokens)
      #expect(long.captionRows == short.captionRows)
      #expect(long.truncatedText != nil)
    }
    #expect(time < .seconds(20))
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
