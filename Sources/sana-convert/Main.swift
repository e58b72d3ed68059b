import ArgumentParser
import CommandLineSupport

@main
struct SanaConvert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sana-convert",
    abstract: "Converts official Sana checkpoints to .sana files, and back.",
    usage: """
      sana-convert <checkpoint> --output <model.sana> [<options>]
      sana-convert <command> ...
      """,
    discussion: "'sana-convert convert --help' lists the options of converting.",
    version: Toolchain.version,
    subcommands: [Convert.self, Inspect.self, Check.self, Diff.self, Export.self],
    defaultSubcommand: Convert.self)

  static func main() { ToolProgram.run(Self.self, failureStatuses: ["diff": Diff.failureStatus]) }
}
