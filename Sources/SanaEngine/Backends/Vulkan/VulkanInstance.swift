internal import CVulkan
internal import Support

/// The system's Vulkan loader with an instance, and the devices it knows. Nothing links to it:
/// where there is no loader, or no driver, there are no devices.
package final class VulkanInstance {
  let handle: OpaquePointer

  /// - Parameters:
  ///   - library: the loader's file; the system's when nil.
  ///   - validates: whether the Khronos validation layer looks on where it is installed.
  /// - Returns: nil where there is no loader or no driver of Vulkan 1.2.
  package init?(library: String? = nil, validates: Bool = false) {
    var handle: OpaquePointer?
    guard sana_vulkan_open(library, validates, &handle) == 0, let handle else { return nil }
    self.handle = handle
  }

  deinit { sana_vulkan_close(handle) }

  /// What the validation layer has complained of: how often, and its first words; nil where it does
  /// not look on.
  package var complaints: (count: Int, first: String)? {
    let count = sana_vulkan_message_count(handle)
    return count < 0 ? nil : (Int(count), String(cString: sana_vulkan_first_message(handle)))
  }

  /// What every device says of itself, in the loader's order.
  package func capabilities() -> [VulkanCapabilities] {
    (0..<sana_vulkan_device_count(handle)).map { index in
      var facts = sana_vulkan_facts()
      sana_vulkan_describe(handle, index, &facts)
      var capabilities = VulkanCapabilities(facts)
      // Some drivers crash when they are asked.
      if capabilities.hasCooperativeMatrices,
        !VulkanQuirk.all(of: capabilities).contains(where: { $0.effects.contains(.noQuery) })
      {
        capabilities.shapes = shapes(of: index)
      }
      return capabilities
    }
  }

  private func shapes(of index: UInt32) -> [VulkanCapabilities.Shape] {
    var shapes = [sana_vulkan_shape](repeating: sana_vulkan_shape(), count: 256)
    let count = sana_vulkan_shapes(handle, index, &shapes, UInt32(shapes.count))
    return shapes.prefix(Int(count)).map {
      .init(
        m: Int($0.m), n: Int($0.n), k: Int($0.k), a: .init(vulkan: $0.a), b: .init(vulkan: $0.b),
        c: .init(vulkan: $0.c), result: .init(vulkan: $0.result), isSaturating: $0.saturating)
    }
  }
}

extension VulkanCapabilities {
  fileprivate init(_ facts: sana_vulkan_facts) {
    self.init()
    name = Self.text(facts.name)
    driverName = Self.text(facts.driver_name)
    driverInfo = Self.text(facts.driver_info)
    vendor = facts.vendor
    device = facts.device
    driver = VulkanDriver(rawValue: facts.driver)
    driverVersion = facts.driver_version
    apiVersion = facts.api_version
    type = DeviceType(rawValue: facts.type) ?? .other
    subgroupSize = Int(facts.subgroup_size)
    leastSubgroupSize = Int(facts.least_subgroup_size)
    greatestSubgroupSize = Int(facts.greatest_subgroup_size)
    storageRange = Int(facts.storage_range)
    storageAlignment = Int(clamping: facts.storage_alignment)
    bufferBytes = Int(clamping: facts.buffer_bytes)
    allocationBytes = Int(clamping: facts.allocation_bytes)
    pushConstantBytes = Int(facts.push_constant_bytes)
    storageBuffersPerStage = Int(facts.storage_buffers_per_stage)
    sharedMemoryBytes = Int(facts.shared_memory_bytes)
    workgroupInvocations = Int(facts.workgroup_invocations)
    timestampBits = Int(facts.timestamp_bits)
    hasCompute = facts.has_compute
    hasStorage16Bit = facts.storage_16bit
    hasFloat16 = facts.float16
    hasInt8 = facts.int8 && facts.storage_8bit
    hasDotProduct = facts.dot_product
    acceleratesDotProduct = facts.dot_product_accelerated
    hasCooperativeMatrices = facts.cooperative_matrix
    heaps = withUnsafeBytes(of: facts.heaps) { bytes in
      bytes.bindMemory(to: sana_vulkan_heap.self).prefix(Int(facts.heap_count)).map {
        Heap(
          byteCount: Int(clamping: $0.bytes),
          budgetBytes: facts.has_budget ? Int(clamping: $0.budget) : nil,
          usedBytes: facts.has_budget ? Int(clamping: $0.usage) : nil,
          isDeviceLocal: $0.device_local)
      }
    }
    memoryTypes = withUnsafeBytes(of: facts.memory_types) { bytes in
      bytes.bindMemory(to: sana_vulkan_memory_type.self).prefix(Int(facts.memory_type_count)).map {
        MemoryType(
          heap: Int($0.heap), isDeviceLocal: $0.device_local, isHostVisible: $0.host_visible,
          isHostCoherent: $0.host_coherent, isHostCached: $0.host_cached)
      }
    }
  }

  /// The text of an array of bytes that ends with a zero.
  private static func text<Characters>(_ characters: Characters) -> String {
    withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

extension VulkanCapabilities.Component {
  fileprivate init(vulkan value: UInt32) {
    switch value {
    case 0: self = .f16
    case 1: self = .f32
    case 3: self = .s8
    case 5: self = .s32
    default: self = .other
    }
  }
}
