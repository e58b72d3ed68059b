import ArgumentParser
import CommandLineSupport

@main
struct SanaRun: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sana-run",
    abstract: "Draw pictures with a .sana model.",
    discussion: """
      sana-run model.sana --prompt "a red circle on a blue background" -o circle.png
      """,
    version: Toolchain.version,
    subcommands: [Generate.self, Plan.self, Devices.self, Bench.self],
    defaultSubcommand: Generate.self)
}
