public import ArgumentParser
public import CommandLineSupport
public import SanaEngine
public import SanaGraph
internal import Support

extension ComputePrecision: ExpressibleByArgument {}

extension DeviceSelection: ExpressibleByArgument {
  public init?(argument: String) { self.init(name: argument) }
  public var defaultValueDescription: String { "auto" }
}

/// Where a model runs: the options of every command that computes with one.
public struct DeviceArguments: ParsableArguments {
  @Option(help: "auto: products as the stored weights ask for; f32: all in f32.")
  public var precision: ComputePrecision = .auto

  @Option(help: "auto or cpu.")
  public var device: DeviceSelection = .automatic

  @Option(
    parsing: .unconditional,
    help: "CPU threads. (default: one for each processor that the process may use)")
  public var threads: Int?

  @Option(
    help: "The most memory that weights and activations may take, e.g. 4GiB. (default: none)")
  public var memoryLimit: ByteSize?

  public init() {}

  /// - Throws: `.invalidArgument` for a number of threads that no machine starts; what the device throws.
  /// - Parameter ownPrecision: what `auto` means here.
  public func makeBackend(
    _ session: ToolSession, auto ownPrecision: ComputePrecision = .auto
  ) throws -> any Backend {
    if let threads, !(1...1024).contains(threads) {
      throw SanaError(
        .invalidArgument, "\(threads) threads cannot be started", remedy: "choose 1 to 1024")
    }
    return try device.makeBackend(
      precision: precision == .auto ? ownPrecision : precision, threads: threads)
  }
}
