import ArgumentParser

@main
struct SanaRun: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "sana-run")
}
