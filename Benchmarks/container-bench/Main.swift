import ArgumentParser
import CommandLineSupport
import Quantization
import WeightFormats

@main
struct ContainerBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "container-bench", abstract: "Measures what .sana files cost.",
    version: Toolchain.version, subcommands: [Stages.self, Load.self],
    defaultSubcommand: Stages.self)

  static func main() { ToolProgram.run(Self.self) }
}

/// Measures the `.sana` container and the quantizer on synthetic weights: speed of every stage, and what compression gives.
struct Stages: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure writing, loading, checking and quantizing .sana files.")

  @Argument(help: "A directory with room for three times the size.")
  var directory: String

  @Option(help: "Raw bytes of weights of each file.")
  var size = ByteSize(1 << 30)

  func run() throws {
    try ToolSession.run { session in
      var table = TextTable([
        .init("weights"), .init("stage"), .init("seconds", .right), .init("GB/s", .right),
        .init("GB/s a core", .right), .init("stored / raw", .right),
      ])
      let path = "\(directory)/container-bench.sana"
      defer { FileRemoval.remove(path) }
      for encoding: TensorEncoding in [.f32, .f16, .bf16, .int8PerChannel] {
        let weights = SyntheticWeights(encoding: encoding, byteCount: size.bytes)
        session.progress.begin("\(encoding)")
        func report(_ stage: String, _ measured: Measurement, share: Double? = nil) {
          table.append([
            "\(encoding)", stage, measured.seconds.formatted(decimals: 2),
            measured.rate(weights.byteCount).formatted(decimals: 2),
            measured.ratePerCore(weights.byteCount).formatted(decimals: 2),
            share.map { $0.formatted(decimals: 3) } ?? "",
          ])
        }
        let writing = try Measurement { try weights.write(to: path) }
        let file = try ModelFile(path: path)
        let stored = file.components.reduce(0) { $0 + $1.storedByteCount }
        let raw = file.components.reduce(0) { $0 + $1.rawByteCount }
        report("write and sync", writing, share: Double(stored) / Double(raw))
        report("check", try Measurement { try file.verify() })
        report("load", try Measurement { try weights.load(from: file) })
        if !encoding.isQuantized {
          let copy = "\(directory)/container-bench-copy.sana"
          defer { FileRemoval.remove(copy) }
          report("copy the file and sync", try Measurement { try FileCopy.copy(path, to: copy) })
          let plan = try QuantizationPlan(file, recipe: .named("w8a8"))
          let quantizing = try Measurement {
            try Quantizer(file: file, plan: plan).write(to: copy, tool: "container-bench")
          }
          report("quantize to w8a8 and sync", quantizing)
        }
      }
      session.progress.end()
      try OutputStream.standardOutput.write(table.text)
    }
  }
}
