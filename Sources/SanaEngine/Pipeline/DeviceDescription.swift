internal import CPUBackend
internal import SanaGraph
internal import SanaModels
public import Support

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A device that models can run on, for people who choose one.
public struct DeviceDescription: Hashable, Sendable {
  /// What `DeviceSelection` is made from.
  public let name: String
  /// For the CPU: the instruction set its kernels use.
  public let details: String
  /// What the CPU's threads run on.
  public let processors: AvailableProcessors
  /// All the memory of the device.
  public let memoryBytes: Int?

  /// Every device of this machine, the one that `auto` takes first.
  /// - Throws: `.invalidArgument` when the environment asks for an instruction set that the processor lacks.
  public static func all() throws -> [DeviceDescription] {
    let pages = sysconf(Int32(_SC_PHYS_PAGES))
    let pageBytes = sysconf(Int32(_SC_PAGESIZE))
    return [
      DeviceDescription(
        name: "cpu", details: try InstructionSet.chosen().rawValue,
        processors: .current,
        memoryBytes: pages > 0 && pageBytes > 0 ? pages * pageBytes : nil)
    ]
  }
}
