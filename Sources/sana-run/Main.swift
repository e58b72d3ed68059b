import ArgumentParser
import CommandLineSupport

@main
struct SanaRun: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sana-run",
    abstract: "Draw pictures with a .sana model.",
    usage: """
      sana-run <model.sana> --prompt <text> --output <picture.png> [<options>]
      sana-run <command> ...
      """,
    discussion: """
      sana-run model.sana --prompt "a red circle on a blue background" -o circle.png

      'sana-run generate --help' lists the options of drawing.
      """,
    version: Toolchain.version,
    subcommands: [Generate.self, Plan.self, Devices.self, Bench.self],
    defaultSubcommand: Generate.self)

  static func main() { ToolProgram.run(Self.self) }
}
