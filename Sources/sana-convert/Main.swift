import ArgumentParser

@main
struct SanaConvert: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "sana-convert")
}
