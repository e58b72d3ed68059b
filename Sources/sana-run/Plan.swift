import ArgumentParser
import CommandLineSupport
import SanaEngine
import SanaGraph

struct Plan: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show how much memory a run will take, without running it.",
    usage: "sana-run plan <model.sana> [<options>]")

  @Option(
    name: .customLong("prompt"), parsing: .unconditionalSingleValue,
    help: "What would be drawn. (default: the longest prompt possible)")
  var prompts: [String] = []

  @Option(
    name: [.short, .long], parsing: .unconditional,
    help: "Accepted as for a run; nothing is written.")
  var output: String?

  @Flag(help: "Show what would be done within 2, 4, 6, 8, 12 and 16 GiB.")
  var table = false

  @OptionGroup var arguments: RunArguments

  func validate() throws {
    guard !(table && arguments.json) else {
      throw ValidationError("--table is for people; --json takes one limit at a time")
    }
  }

  func run() throws {
    try ToolSession.run { session in
      let run = try arguments.prepare(
        prompts: prompts.isEmpty
          ? [PromptPreparation.longestPrompt(tokens: arguments.picture.maxSequenceLength)]
          : prompts, session)
      let pipeline = run.pipeline
      var report = run.report
      for note in prompts.isEmpty ? pipeline.requestNotes : pipeline.notes {
        session.progress.note(note)
      }
      if table {
        try OutputStream.standardOutput.write(LimitTable(of: pipeline).text)
        return
      }
      if arguments.json {
        report.leastLimit = try pipeline.leastLimit()
        try JSONOutput.print(report.json)
      } else {
        try OutputStream.standardOutput.write(report.summary)
      }
      try pipeline.checkLimit()
    }
  }
}

extension PromptPreparation {
  /// A prompt that certainly fills the caption: no tokenizer makes less than a token of a word.
  fileprivate static func longestPrompt(tokens: Int) -> String {
    String(repeating: "picture ", count: min(max(tokens, 0), 1 << 20))
  }
}
