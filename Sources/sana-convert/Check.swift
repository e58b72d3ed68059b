import ArgumentParser
import CommandLineSupport
import Support
import WeightFormats

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Verifies every byte of a .sana file against its checksums.")

  @Argument(help: ArgumentHelp("The file to verify.", valueName: "model.sana"))
  var model: String

  func run() throws {
    try ToolSession.run { session in
      let file = try ModelFile(path: model)
      session.progress.begin("check", total: file.byteCount)
      try file.verify { done, _ in
        try session.cancellation.check()
        session.progress.update(done)
      }
      session.progress.end()
      let tensors = file.components.reduce(0) { $0 + $1.tensors.count }
      try OutputStream.standardOutput.writeLine(
        "\(model.printablePath): intact, \(tensors) tensors, \(ByteSize(file.byteCount))")
    }
  }
}
