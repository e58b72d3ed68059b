internal import CPUBackend
internal import SanaGraph
internal import SanaModels
public import Support
internal import VulkanBackend

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A device that models can run on, for people who choose one.
public struct DeviceDescription: Hashable, Sendable {
  /// What `DeviceSelection` is made from.
  public let name: String
  /// For the CPU the instruction set its kernels use, for others the name of the device.
  public let details: String
  /// What the CPU's threads run on; nil for other devices.
  public let processors: AvailableProcessors?
  /// All the memory of the device.
  public let memoryBytes: Int?
  /// What a device other than the CPU is and can do.
  public let graphics: Graphics?

  /// Every device of this machine, the one that `auto` takes first.
  /// - Throws: `.invalidArgument` when the environment asks for an instruction set that the processor lacks.
  public static func all() throws -> [DeviceDescription] {
    let pages = sysconf(Int32(_SC_PHYS_PAGES))
    let pageBytes = sysconf(Int32(_SC_PAGESIZE))
    return [
      DeviceDescription(
        name: "cpu", details: try InstructionSet.chosen().rawValue,
        processors: .current,
        memoryBytes: pages > 0 && pageBytes > 0 ? pages * pageBytes : nil, graphics: nil)
    ] + vulkan()
  }

  /// The devices of the system's Vulkan; none where there is no Vulkan.
  private static func vulkan() -> [DeviceDescription] {
    (VulkanInstance()?.capabilities() ?? []).enumerated().map { index, device in
      DeviceDescription(
        name: "vulkan:\(index)", details: device.name, processors: nil,
        memoryBytes: device.heap?.byteCount, graphics: Graphics(device))
    }
  }
}

extension DeviceDescription {
  /// A device of the system's Vulkan.
  public struct Graphics: Hashable, Sendable {
    /// What a kind of product is computed by.
    public struct Product: Hashable, Sendable {
      /// What is multiplied: `f32`, `f16`, `int8`.
      public let numbers: String
      /// `matrix instructions 16x16x32`, `packed dot products`, `plain arithmetic`.
      public let means: String
      /// Why nothing faster was chosen, for people.
      public let reasons: [String]
    }

    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    public let kind: String
    /// The driver's name and version.
    public let driver: String
    /// Vulkan's version.
    public let vulkan: String
    /// What this process may use of the memory; nil where the driver does not say.
    public let budgetBytes: Int?
    /// What the device supports, for people.
    public let features: [String]
    public let products: [Product]
    /// Names of the entries of the table of drivers' faults that apply.
    public let quirks: [String]
    /// Why the device cannot be used; nil where it can.
    public let obstacle: String?
  }
}

extension DeviceDescription.Graphics {
  fileprivate init(_ device: VulkanCapabilities) {
    kind = "\(device.type)"
    driver = "\(device.driverName) \(device.driverInfo)"
    vulkan = device.version
    budgetBytes = device.heap?.budgetBytes
    let supported: [(String, Bool)] = [
      ("16-bit storage", device.hasStorage16Bit), ("f16 arithmetic", device.hasFloat16),
      ("int8 arithmetic", device.hasInt8), ("packed dot products", device.hasDotProduct),
      ("matrix instructions", device.hasCooperativeMatrices),
    ]
    features = supported.filter(\.1).map(\.0)
    products = VulkanProductPath.Kind.available.map {
      let path = VulkanProductPath($0, on: device)
      return Product(
        numbers: $0.rawValue, means: path.means.description, reasons: path.reasons)
    }
    quirks = VulkanQuirk.all(of: device).map(\.name)
    obstacle = device.obstacle
  }
}
