public import ArgumentParser
import CommandLineSupport
public import SanaEngine
import Traces
import Verification
import WeightFormats

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Compare a model with PyTorch, value by value.",
    discussion: """
      Replays the runs that a trace records: token ids, hidden states, captions, schedules, every step, the picture. \
      A model with the checkpoint's own numbers passes within the rounding of float32: 90 dB after one pass through a \
      network, 70 dB after every step of a run, 99.9 % of a picture's bytes within one level and none off by more than \
      three. A variant of fewer bits is only reported on, unless --minimum-snr says what it must reach.
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

  @Option(help: "Products as the stored weights ask for, or all in floating point: auto, f32.")
  var precision: ComputePrecision = .auto

  @Option(help: "auto, cpu or vulkan[:INDEX].")
  var device: DeviceSelection = .automatic

  @Option(parsing: .unconditional, help: "CPU threads. (default: one a core)")
  var threads: Int?

  @Option(
    help: "The most memory that weights and activations may take, e.g. 4GiB. (default: none)")
  var memoryLimit: ByteSize?

  @Option(
    parsing: .unconditional, help: "Values to list; those out of bounds are always listed.")
  var values: Int = 20

  @Flag(help: "Print one JSON object on standard output.")
  var json = false

  func run() throws {
    try ToolSession.run { session in
      if let threads, !(1...1024).contains(threads) {
        throw SanaError(
          .invalidArgument, "\(threads) threads cannot be started", remedy: "choose 1 to 1024")
      }
      let file = try ModelFile(path: model)
      let trace = try TraceFile(path: reference)
      let bounds: VerificationBounds =
        minimumRatio.map { .minimum(decibels: $0) } ?? (file.isReduced ? .report : .parity)
      let report = try Verifier.verify(
        ModelUnderTest(file), against: trace,
        on: device.makeBackend(
          precision: precision, threads: threads, cancellation: session.cancellation),
        bounds: bounds,
        options: Verifier.Options(caseName: caseName, memoryLimit: memoryLimit?.bytes),
        cancellation: session.cancellation
      ) { session.progress.begin($0) }
      session.progress.end()
      if json {
        JSONOutput.print(report.json)
      } else {
        OutputStream.standardOutput.writeLine(report.table(limit: max(0, values)))
      }
      guard report.passed else { throw ExitCode(1) }
    }
  }
}

extension ComputePrecision: ExpressibleByArgument {}

extension DeviceSelection: ExpressibleByArgument {
  public init?(argument: String) { self.init(name: argument) }
  public var defaultValueDescription: String { "auto" }
}
