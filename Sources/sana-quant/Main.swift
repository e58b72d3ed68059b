import ArgumentParser

@main
struct SanaQuant: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "sana-quant")
}
