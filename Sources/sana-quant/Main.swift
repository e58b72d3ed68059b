import ArgumentParser

@main
struct SanaQuant: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sana-quant",
    abstract: "Make smaller variants of Sana models, and compare them with PyTorch.",
    subcommands: [QuantizeCommand.self, VerifyCommand.self],
    defaultSubcommand: QuantizeCommand.self)
}
