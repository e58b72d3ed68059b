import ArgumentParser
import CommandLineSupport

@main
struct SanaConvert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sana-convert",
    abstract: "Converts official Sana checkpoints to .sana files, and back.",
    version: Toolchain.version,
    subcommands: [Convert.self, Inspect.self, Check.self, Diff.self, Export.self],
    defaultSubcommand: Convert.self)
}
