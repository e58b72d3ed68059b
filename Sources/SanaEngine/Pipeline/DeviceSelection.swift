internal import CPUBackend
public import SanaGraph
internal import SanaModels
internal import VulkanBackend

/// A device as a user names it: `auto`, `cpu`, `vulkan`, `vulkan:1`.
public enum DeviceSelection: Hashable, Sendable {
  /// The fastest device there is.
  case automatic
  case cpu
  case vulkan(index: Int)

  /// `nil` for a name that no device can have.
  public init?(name: String) {
    switch name {
    case "auto": self = .automatic
    case "cpu": self = .cpu
    case "vulkan": self = .vulkan(index: 0)
    default:
      guard name.hasPrefix("vulkan:"), let index = Int(name.dropFirst("vulkan:".count)), index >= 0
      else { return nil }
      self = .vulkan(index: index)
    }
  }

  /// - Parameters:
  ///   - precision: what products are computed in.
  ///   - threads: of the CPU; one for each processor that the process may use unless given.
  /// - Throws: `.unsupported` for a device that this program cannot use.
  public func makeBackend(
    precision: ComputePrecision, threads: Int?
  ) throws -> any Backend {
    switch self {
    case .automatic, .cpu:
      return try CPUBackend(threads: threads, precision: precision)
    case .vulkan(let index):
      return try VulkanBackend(index: index, precision: precision)
    }
  }
}
