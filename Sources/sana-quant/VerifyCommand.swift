import ArgumentParser
import CommandLineSupport
import EngineArguments
import Support
import Traces
import Verification
import WeightFormats

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Compare a model with PyTorch, value by value.",
    usage: "sana-quant verify <model.sana> --reference <trace.h5> [<options>]",
    discussion: """
      Replays the runs that a trace records: token ids, hidden states, captions, schedules, every step, the picture. \
      A model with the checkpoint's own numbers passes within the rounding of float32: 90 dB after one pass through a \
      network, 70 dB after every step of a run, 99.9 % of a picture's bytes within one level and none off by more than \
      three. A variant of fewer bits is only reported on, unless --minimum-snr says what it must reach; \
      a value below 3 dB says that the trace is of another model, which fails.
      """)

  @Argument(help: "The .sana file.")
  var model: String

  @Option(help: "The trace of PyTorch's activations, an HDF5 file.")
  var reference: String

  @Option(name: .customLong("case"), help: "Replay only this case of the trace.")
  var caseName: String?

  @Option(
    name: .customLong("minimum-snr"), parsing: .unconditional,
    help: ArgumentHelp("Signal-to-noise ratio that every value must reach.", valueName: "dB"))
  var minimumRatio: Double?

  @Option(
    name: .customLong("report"),
    help: ArgumentHelp(
      "A page to write, complete in one file, with its numbers beside it as .json and .csv.",
      valueName: "page.html"))
  var page: String?

  @OptionGroup var device: DeviceArguments

  @Option(
    parsing: .unconditional, help: "Values to list; those out of bounds are always listed.")
  var values: Int = 20

  @Flag(help: "Print one JSON object on standard output.")
  var json = false

  func run() throws {
    try ToolSession.run { session in
      let outputs = try ReportOutputs(
        page: page, reading: InputFiles([model, reference]))
      let file = try ModelFile(path: model)
      // Weights as the checkpoint had them are held to what f32 gives.
      let backend = try device.makeBackend(session, auto: file.isReduced ? .auto : .f32)
      let trace = try TraceFile(path: reference)
      let bounds: VerificationBounds =
        minimumRatio.map { .minimum(decibels: $0) } ?? (file.isReduced ? .report : .parity)
      let report = try Verifier.verify(
        ModelUnderTest(file), against: trace,
        on: backend, bounds: bounds,
        options: Verifier.Options(
          caseName: caseName, memoryLimit: device.resolvedMemoryLimit()?.bytes),
        cancellation: session.cancellation
      ) { session.progress.begin($0) }
      let digests =
        try page == nil
        ? nil : FileDigests([model, reference], times: StageTimes()).values()
      session.progress.end()
      if let digests {
        try outputs.write(
          page: report.page(
            [
              .init(role: "model", path: model, digest: digests[0]),
              .init(role: "trace", path: reference, digest: digests[1]),
            ], tool: "sana-quant \(Toolchain.version)"), json: report.json, csv: report.csv)
      }
      if json {
        try JSONOutput.print(report.json)
      } else {
        try OutputStream.standardOutput.writeLine(report.table(limit: max(0, values)))
      }
      guard report.passed else { throw ExitCode(1) }
    }
  }
}
