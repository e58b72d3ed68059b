import Testing
import VulkanBackend

@Suite struct VulkanQuirkTests {
  private static let int8 = VulkanCapabilities.Shape(
    m: 16, n: 16, k: 32, a: .s8, b: .s8, c: .s32, result: .s32)
  private static let f16 = VulkanCapabilities.Shape(
    m: 16, n: 16, k: 16, a: .f16, b: .f16, c: .f32, result: .f32)

  /// A discrete GPU with everything, changed into another.
  private func device(_ change: (inout VulkanCapabilities) -> Void) -> VulkanCapabilities {
    var device = VulkanCapabilities()
    device.type = .discrete
    device.driver = .nvidia
    device.vendor = 0x10DE
    device.apiVersion = 1 << 22 | 3 << 12
    (device.leastSubgroupSize, device.subgroupSize) = (32, 32)
    (device.hasDotProduct, device.acceleratesDotProduct) = (true, true)
    device.hasCooperativeMatrices = true
    device.shapes = [Self.int8, Self.f16]
    change(&device)
    return device
  }

  private func int8Means(
    _ device: VulkanCapabilities,
    _ kernels: Set<VulkanProductPath.Family> = [.cooperativeMatrices, .dotProduct, .plain]
  ) -> VulkanProductPath.Means {
    VulkanProductPath(.int8, on: device, kernels: kernels).means
  }

  @Test func theFastestMeansThatHasKernelsIsTaken() {
    let everything = device { _ in }
    #expect(int8Means(everything) == .cooperativeMatrices(m: 16, n: 16, k: 32))
    #expect(int8Means(everything, [.dotProduct, .plain]) == .dotProduct)
    let plain = VulkanProductPath(.int8, on: everything, kernels: [.plain])
    #expect(plain.means == .plain)
    #expect(plain.reasons.count == 2)
    let f16 = VulkanProductPath(
      .f16, on: everything, kernels: [.cooperativeMatrices, .dotProduct, .plain])
    #expect(f16.means == .cooperativeMatrices(m: 16, n: 16, k: 16))
    #expect(f16.reasons.isEmpty)
    #expect(
      VulkanProductPath(.f16, on: everything, kernels: [.dotProduct, .plain]).means == .plain)
  }

  @Test func shapesOfOtherNumbersAreNotTaken() {
    for change: (inout VulkanCapabilities.Shape) -> Void in [
      { $0.isSaturating = true }, { $0.a = .other }, { $0.b = .other }, { $0.c = .f32 },
      { $0.result = .other },
    ] {
      var shape = Self.int8
      change(&shape)
      #expect(int8Means(device { $0.shapes = [shape, Self.f16] }) == .dotProduct)
    }
  }

  @Test(
    arguments: [
      (
        "amd-integrated-query", VulkanDriver.amdOpenSource, 0x1002,
        VulkanCapabilities.DeviceType.integrated, 32
      ),
      ("amd-emulated-matrices", .amdProprietary, 0x1002, .discrete, 64),
      ("intel-before-xe2", .intelMesa, 0x8086, .discrete, 8),
      ("moltenvk-matrices", .moltenVK, 0x106B, .integrated, 32),
    ] as [(String, VulkanDriver, UInt32, VulkanCapabilities.DeviceType, Int)])
  func driversThatClaimTooMuchGetTheNextPathAndAReason(
    _ quirk: String, _ driver: VulkanDriver, _ vendor: UInt32,
    _ type: VulkanCapabilities.DeviceType, _ subgroup: Int
  ) {
    let device = device {
      ($0.driver, $0.vendor, $0.type, $0.leastSubgroupSize) = (driver, vendor, type, subgroup)
    }
    let path = VulkanProductPath(
      .int8, on: device, kernels: [.cooperativeMatrices, .dotProduct, .plain])
    #expect(path.means == .dotProduct)
    #expect(path.reasons.contains { $0.contains("(\(quirk))") }, "\(path.reasons)")
  }

  @Test func newerDevicesOfTheSameVendorsKeepTheirMatrixInstructions() {
    let fast = VulkanProductPath.Means.cooperativeMatrices(m: 16, n: 16, k: 32)
    #expect(
      int8Means(device { ($0.driver, $0.vendor) = (.amdProprietary, 0x1002) }) == fast)
    #expect(
      int8Means(
        device { ($0.driver, $0.vendor, $0.type) = (.radv, 0x1002, .integrated) }) == fast)
    #expect(
      int8Means(
        device { ($0.driver, $0.vendor, $0.leastSubgroupSize) = (.intelMesa, 0x8086, 16) }) == fast)
  }

  @Test func weightsGoToTheLargestHeapOfTheDevice() {
    let small = VulkanCapabilities.Heap(
      byteCount: 256 << 20, budgetBytes: nil, usedBytes: nil, isDeviceLocal: true)
    let large = VulkanCapabilities.Heap(
      byteCount: 8 << 30, budgetBytes: nil, usedBytes: nil, isDeviceLocal: true)
    let host = VulkanCapabilities.Heap(
      byteCount: 64 << 30, budgetBytes: nil, usedBytes: nil, isDeviceLocal: false)
    let device = device {
      $0.heaps = [small, large, host]
      $0.memoryTypes = [
        .init(heap: 0, isDeviceLocal: true, isHostVisible: true, isHostCoherent: true),
        .init(heap: 1, isDeviceLocal: true, isHostVisible: true, isHostCoherent: true),
        .init(heap: 1, isDeviceLocal: true),
        .init(heap: 2, isDeviceLocal: false, isHostVisible: true, isHostCoherent: true),
        .init(
          heap: 2, isDeviceLocal: false, isHostVisible: true, isHostCoherent: true,
          isHostCached: true),
      ]
    }
    #expect(device.deviceMemoryType == 2)
    #expect(device.hostMemoryType == 4)
  }

  @Test func whatADeviceLacksIsSaid() {
    let usable = device {
      $0.hasCompute = true
      $0.hasStorage16Bit = true
      $0.storageBuffersPerStage = 31
      $0.heaps = [.init(byteCount: 1 << 30, budgetBytes: nil, usedBytes: nil, isDeviceLocal: true)]
      $0.memoryTypes = [
        .init(heap: 0, isDeviceLocal: true, isHostVisible: true, isHostCoherent: true)
      ]
    }
    #expect(usable.obstacle == nil)
    for change: (inout VulkanCapabilities) -> Void in [
      { $0.apiVersion = 1 << 22 | 1 << 12 }, { $0.hasCompute = false },
      { $0.hasStorage16Bit = false }, { $0.storageBuffersPerStage = 4 }, { $0.memoryTypes = [] },
    ] {
      var lacking = usable
      change(&lacking)
      #expect(lacking.obstacle != nil)
    }
  }
}
