import ArgumentParser
import CommandLineSupport

@main
struct SanaQuant: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sana-quant",
    abstract: "Make smaller variants of Sana models, and say how close they are.",
    usage: """
      sana-quant <model.sana> --recipe <recipe> --output <smaller.sana> [<options>]
      sana-quant <command> ...
      """,
    discussion: "'sana-quant quantize --help' lists the recipes and the options of quantizing.",
    version: Toolchain.version,
    subcommands: [
      QuantizeCommand.self, CalibrateCommand.self, CompareCommand.self, VerifyCommand.self,
    ],
    defaultSubcommand: QuantizeCommand.self)

  static func main() { ToolProgram.run(Self.self) }
}
