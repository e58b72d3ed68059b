import Foundation
import TestSupport
import Testing

/// What every command says about itself, word for word, as in `Fixtures/help`.
///
/// A change of the words shows there. `SANA_WRITE_HELP=1 swift test --filter HelpTests` writes the
/// files anew, to be read before they are kept.
@Suite struct HelpTests {
  private static let folder = Fixtures.directory.appending(path: "help")
  private static let writes = ProcessInfo.processInfo.environment["SANA_WRITE_HELP"] != nil

  /// What a command prints at the width of 80 columns.
  private func help(_ tool: String, _ command: String? = nil) throws -> String {
    let words = [command, "--help"].compactMap { $0 }.joined(separator: " ")
    let outcome = try Tool.shell("COLUMNS=80 '\(Tool(tool).path)' \(words)")
    #expect(outcome.status == 0, "\(tool) \(words): \(outcome.error)")
    #expect(outcome.error.isEmpty)
    return outcome.output
  }

  /// The commands that a tool's help lists.
  private func commands(in help: String) -> [String] {
    help.split(separator: "\n").drop { $0 != "SUBCOMMANDS:" }.dropFirst().compactMap { line in
      line.hasPrefix("  ") && !line.hasPrefix("   ") && !line.hasPrefix("  See")
        ? line.split(separator: " ").first.map(String.init) : nil
    }
  }

  private func expect(_ text: String, is name: String) throws {
    let file = Self.folder.appending(path: name)
    if Self.writes {
      try FileManager.default.createDirectory(at: Self.folder, withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    let kept = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    let differing = zip(text.split(separator: "\n"), kept.split(separator: "\n"))
      .first { $0 != $1 }
    #expect(
      text == kept,
      "\(name) is another: \(differing.map { "'\($0)', not '\($1)'" } ?? "another end")")
  }

  @Test(arguments: ["sana-convert", "sana-quant", "sana-run", "sana-demo"])
  func everyCommandExplainsItselfInTheWordsKept(tool: String) throws {
    let root = try help(tool)
    try expect(root, is: "\(tool).txt")
    let commands = commands(in: root)
    #expect(commands.isEmpty == (tool == "sana-demo"), "\(commands)")
    for command in commands { try expect(help(tool, command), is: "\(tool)-\(command).txt") }
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
      .filter { $0.hasPrefix(tool) }
    #expect(
      Set(files) == Set(["\(tool).txt"] + commands.map { "\(tool)-\($0).txt" }),
      "files of commands that there are not")
  }

  /// Nothing but how a command is called is wider than a terminal, and no line ends in blanks.
  @Test func everyLineOfTheWordsKeptFitsATerminal() throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: Self.folder.path) {
      let text = try String(contentsOf: Self.folder.appending(path: name), encoding: .utf8)
      for line in text.split(separator: "\n") {
        #expect(line.count <= 80 || line.hasPrefix("USAGE: "), "\(name): \(line)")
        #expect(!line.hasSuffix(" "), "\(name): \(line)")
      }
    }
  }
}
