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

  @Option(help: "auto, cpu, or a name that sana-run devices lists.")
  public var device: DeviceSelection = .automatic

  @Option(
    parsing: .unconditional,
    help: "CPU threads. (default: one for each processor that the process may use)")
  public var threads: Int?

  @Option(
    help: "The most memory to take, program code aside, e.g. 4GiB. (default: as fast as can be)")
  public var memoryLimit: ByteSize?

  @Option(help: "In place of a limit: how much of the free memory to leave, e.g. 2GiB.")
  public var memoryHeadroom: ByteSize?

  public init() {}

  public func validate() throws {
    guard memoryLimit == nil || memoryHeadroom == nil else {
      throw ValidationError("choose one of --memory-limit and --memory-headroom")
    }
  }

  /// The most memory to take; nil for as much as is fastest.
  /// - Throws: `.memoryLimit` where less is free than shall be left, `.unsupported` where the
  ///   system does not say what is free.
  public func resolvedMemoryLimit() throws -> ByteSize? {
    guard let memoryHeadroom else { return memoryLimit }
    guard let available = ProcessMemory.availableBytes else {
      throw SanaError(
        .unsupported, "this system does not say how much memory is free",
        remedy: "give --memory-limit in place of --memory-headroom")
    }
    guard available > memoryHeadroom.bytes else {
      throw SanaError(
        .memoryLimit,
        "only \(ByteSize(available)) of memory are free, and \(memoryHeadroom) shall be left",
        remedy: "close other programs, or leave less")
    }
    return ByteSize(available - memoryHeadroom.bytes)
  }

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
