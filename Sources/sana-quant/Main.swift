import ArgumentParser

@main
struct SanaQuant: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sana-quant",
    abstract: "Make smaller variants of Sana models.",
    subcommands: [QuantizeCommand.self],
    defaultSubcommand: QuantizeCommand.self)
}
