import ArgumentParser
import CommandLineSupport
import Support
import WeightFormats

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes a .sana file back in the official diffusers layout, dequantized.")

  @Argument(help: ArgumentHelp("The file to export.", valueName: "model.sana"))
  var model: String

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The folder to write; must not exist or be empty.", valueName: "folder"))
  var output: String

  func run() throws {
    try ToolSession.run { session in
      _ = try OutputFile(output, .checkpoint)
      let export = try OfficialExport(try ModelFile(path: model))
      session.progress.begin("export", total: export.byteCount)
      try export.write(to: output, cancellation: session.cancellation) {
        session.progress.update($0)
      }
      session.progress.end()
      try OutputStream.standardOutput.writeLine(
        "\(output.printablePath): \(ByteSize(export.byteCount)) of tensors")
    }
  }
}
