package import SanaGraph
internal import Support
package import WeightFormats

/// A GPU by Vulkan: weights and activations in f32 in the device's memory, graphs recorded once and
/// submitted again and again.
package final class VulkanBackend: Backend {
  package let name: String
  package let precision: ComputePrecision
  package var ledger: MemoryLedger { device.ledger }
  let device: VulkanDevice
  private let instance: VulkanInstance

  /// - Parameters:
  ///   - index: of the device in the loader's order.
  ///   - validates: whether the Khronos validation layer looks on where it is installed.
  /// - Throws: `.unsupported` where there is no such device or it cannot be used.
  package init(index: Int, precision: ComputePrecision, validates: Bool = false) throws {
    guard let instance = VulkanInstance(validates: validates) else {
      throw SanaError(
        .unsupported, "this system has no Vulkan", remedy: "choose --device cpu")
    }
    let devices = instance.capabilities()
    guard devices.indices.contains(index) else {
      throw SanaError(
        .unsupported,
        devices.isEmpty
          ? "Vulkan knows no device here"
          : "there is no vulkan:\(index), the last device is vulkan:\(devices.count - 1)",
        remedy: "see sana-run devices, or choose --device cpu")
    }
    self.instance = instance
    self.precision = precision
    name = "vulkan:\(index)"
    device = try VulkanDevice(instance, index: index, devices[index])
  }

  /// What the validation layer has complained of; nil where it does not look on.
  package var complaints: (count: Int, first: String)? { instance.complaints }

  package func measurePeak() -> ProcessorPeak? { nil }

  /// - Parameter ledger: not used, the device's counts everything: what the driver asks for is not
  ///   what was planned to the byte.
  package func load(_ source: any WeightSource, ledger: MemoryLedger) -> any ResidentModel {
    VulkanModel(source, precision: precision, on: device)
  }
}
