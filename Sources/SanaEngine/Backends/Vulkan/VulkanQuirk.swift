/// What a driver says it can do and should not be asked to do: a table of data, so that every entry
/// can be tested with the facts of a device.
package struct VulkanQuirk: Sendable {
  /// What is left alone because of it.
  package struct Effects: OptionSet, Sendable {
    package let rawValue: Int

    package init(rawValue: Int) { self.rawValue = rawValue }

    /// Cooperative matrices are not used.
    package static let noCooperativeMatrices = Effects(rawValue: 1)
    /// The driver is not even asked which cooperative matrices there are.
    package static let noQuery = Effects(rawValue: 2)
    /// Lanes of a subgroup do not exchange numbers; reductions go through shared memory.
    package static let noSubgroupExchange = Effects(rawValue: 4)
    /// `--device auto` never takes the device.
    package static let onlyByIndex = Effects(rawValue: 8)
  }

  /// A stable name, for reports.
  package let name: String
  package let effects: Effects
  /// For people.
  package let reason: String
  /// Where it was seen.
  package let source: String
  package let applies: @Sendable (VulkanCapabilities) -> Bool

  /// Those that a device has.
  package static func all(of device: VulkanCapabilities) -> [VulkanQuirk] {
    table.filter { $0.applies(device) }
  }

  package static let table: [VulkanQuirk] = [
    VulkanQuirk(
      name: "amd-integrated-query", effects: [.noCooperativeMatrices, .noQuery],
      reason: "AMD's own driver crashes when an integrated GPU is asked for its matrix shapes",
      source: "llama.cpp#22750, AMDVLK#422"
    ) { device in
      [.amdProprietary, .amdOpenSource].contains(device.driver) && device.type == .integrated
    },
    VulkanQuirk(
      name: "amd-emulated-matrices", effects: .noCooperativeMatrices,
      reason: "AMD's own driver emulates matrix instructions before RDNA3",
      source: "ggml and ncnn, device selection"
    ) { device in
      [.amdProprietary, .amdOpenSource].contains(device.driver)
        && !(device.acceleratesDotProduct && device.leastSubgroupSize == 32)
    },
    VulkanQuirk(
      name: "intel-before-xe2", effects: .noCooperativeMatrices,
      reason: "Intel's GPUs before Xe2 emulate matrix instructions or are slow at them",
      source: "llama.cpp#24404, #10597, #12690; vkpeak#32"
    ) { device in
      device.vendor == 0x8086 && device.type != .software && device.leastSubgroupSize < 16
    },
    VulkanQuirk(
      name: "moltenvk-matrices", effects: .noCooperativeMatrices,
      reason: "MoltenVK takes no specialization constants as matrix sizes",
      source: "MoltenVK#2753, clpeak#190"
    ) { $0.driver == .moltenVK },
    VulkanQuirk(
      name: "moltenvk-amd-subgroups", effects: .noSubgroupExchange,
      reason: "MoltenVK reports twice the lanes that subgroups of AMD's GPUs have",
      source: "MoltenVK#2750, #2756"
    ) { $0.driver == .moltenVK && $0.vendor == 0x1002 },
    VulkanQuirk(
      name: "software", effects: .onlyByIndex,
      reason: "it computes on the CPU, more slowly than the CPU back end", source: "device type"
    ) { $0.type == .software },
  ]
}
