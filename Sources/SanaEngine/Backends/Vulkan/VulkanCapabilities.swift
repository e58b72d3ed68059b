/// What a device and its driver say of themselves: plain facts, so that decisions made from them
/// can be tested with the facts of devices that are not there.
package struct VulkanCapabilities: Hashable, Sendable {
  /// What kind of device it is; the numbers are Vulkan's.
  package enum DeviceType: UInt32, Sendable {
    case other = 0
    case integrated = 1
    case discrete = 2
    case virtual = 3
    /// A program that computes on the CPU.
    case software = 4
  }

  package struct Heap: Hashable, Sendable {
    package var byteCount: Int
    /// What this process may use, and uses; nil where the driver does not say.
    package var budgetBytes: Int?
    package var usedBytes: Int?
    package var isDeviceLocal: Bool

    package init(byteCount: Int, budgetBytes: Int?, usedBytes: Int?, isDeviceLocal: Bool) {
      self.byteCount = byteCount
      self.budgetBytes = budgetBytes
      self.usedBytes = usedBytes
      self.isDeviceLocal = isDeviceLocal
    }
  }

  package struct MemoryType: Hashable, Sendable {
    /// Position in `heaps`.
    package var heap: Int
    package var isDeviceLocal: Bool
    package var isHostVisible: Bool
    package var isHostCoherent: Bool
    package var isHostCached: Bool

    package init(
      heap: Int, isDeviceLocal: Bool, isHostVisible: Bool = false, isHostCoherent: Bool = false,
      isHostCached: Bool = false
    ) {
      self.heap = heap
      self.isDeviceLocal = isDeviceLocal
      self.isHostVisible = isHostVisible
      self.isHostCoherent = isHostCoherent
      self.isHostCached = isHostCached
    }
  }

  package enum Component: Hashable, Sendable {
    case f16, f32, s8, s32, other
  }

  /// A product that a cooperative matrix instruction makes: `m x k` times `k x n`.
  package struct Shape: Hashable, Sendable {
    package var m, n, k: Int
    package var a, b, c, result: Component
    package var isSaturating: Bool

    package init(
      m: Int, n: Int, k: Int, a: Component, b: Component, c: Component, result: Component,
      isSaturating: Bool = false
    ) {
      (self.m, self.n, self.k) = (m, n, k)
      (self.a, self.b, self.c, self.result) = (a, b, c, result)
      self.isSaturating = isSaturating
    }
  }

  package var name = ""
  package var driverName = ""
  package var driverInfo = ""
  package var vendor: UInt32 = 0
  package var device: UInt32 = 0
  package var driver = VulkanDriver(rawValue: 0)
  package var driverVersion: UInt32 = 0
  package var apiVersion: UInt32 = 0
  package var type: DeviceType = .other
  package var subgroupSize = 0
  package var leastSubgroupSize = 0
  package var greatestSubgroupSize = 0
  /// The most bytes of a buffer that a kernel can be given at once.
  package var storageRange = 0
  /// Offsets in buffers are multiples of so many bytes.
  package var storageAlignment = 0
  package var bufferBytes = 0
  package var allocationBytes = 0
  package var pushConstantBytes = 0
  package var storageBuffersPerStage = 0
  package var sharedMemoryBytes = 0
  package var workgroupInvocations = 0
  package var timestampBits = 0
  package var hasCompute = false
  package var hasStorage16Bit = false
  package var hasFloat16 = false
  package var hasInt8 = false
  package var hasDotProduct = false
  package var acceleratesDotProduct = false
  package var hasCooperativeMatrices = false
  /// The products of cooperative matrices; empty where nobody asked.
  package var shapes: [Shape] = []
  package var heaps: [Heap] = []
  package var memoryTypes: [MemoryType] = []

  package init() {}

  /// Vulkan's version, as in `1.3.230`.
  package var version: String {
    "\(apiVersion >> 22 & 0x7F).\(apiVersion >> 12 & 0x3FF).\(apiVersion & 0xFFF)"
  }

  /// Where weights and activations go: the largest heap of the device's own memory, in memory that
  /// the host does not see where there is such memory.
  package var deviceMemoryType: Int? {
    func rank(_ index: Int) -> (Int, Int) {
      let type = memoryTypes[index]
      return (heaps[type.heap].byteCount, type.isHostVisible ? 0 : 1)
    }
    return memoryTypes.indices.filter { memoryTypes[$0].isDeviceLocal }.max { rank($0) < rank($1) }
  }

  /// Where the host writes what the device shall read, and reads what it wrote.
  package var hostMemoryType: Int? {
    func rank(_ index: Int) -> Int {
      (memoryTypes[index].isHostCached ? 2 : 0) + (memoryTypes[index].isDeviceLocal ? 0 : 1)
    }
    return memoryTypes.indices.filter {
      memoryTypes[$0].isHostVisible && memoryTypes[$0].isHostCoherent
    }.max { rank($0) < rank($1) }
  }

  /// The heap that weights and activations are in.
  package var heap: Heap? { deviceMemoryType.map { heaps[memoryTypes[$0].heap] } }

  /// Why nothing can be computed on the device; nil where something can.
  package var obstacle: String? {
    if apiVersion < 1 << 22 | 2 << 12 { return "its driver has Vulkan \(version), 1.2 is needed" }
    if !hasCompute { return "it has no queue that computes" }
    if !hasStorage16Bit { return "it cannot keep 16-bit numbers in buffers" }
    if storageBuffersPerStage < 8 {
      return "a kernel can read only \(storageBuffersPerStage) buffers"
    }
    if deviceMemoryType == nil || hostMemoryType == nil { return "its memory cannot be used" }
    return nil
  }
}

/// Who wrote a driver; the numbers are Vulkan's.
package struct VulkanDriver: RawRepresentable, Hashable, Sendable {
  package let rawValue: UInt32

  package init(rawValue: UInt32) { self.rawValue = rawValue }

  package static let amdProprietary = VulkanDriver(rawValue: 1)
  package static let amdOpenSource = VulkanDriver(rawValue: 2)
  package static let radv = VulkanDriver(rawValue: 3)
  package static let nvidia = VulkanDriver(rawValue: 4)
  package static let intelWindows = VulkanDriver(rawValue: 5)
  package static let intelMesa = VulkanDriver(rawValue: 6)
  package static let llvmpipe = VulkanDriver(rawValue: 13)
  package static let moltenVK = VulkanDriver(rawValue: 14)
}
