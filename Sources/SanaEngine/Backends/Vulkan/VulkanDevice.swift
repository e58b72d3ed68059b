internal import CVulkan
internal import CVulkanShaders
internal import SanaGraph
internal import Support

/// A device that is computed on: its queue, its memory and its pipelines.
final class VulkanDevice {
  let capabilities: VulkanCapabilities
  let ledger = MemoryLedger()
  let handle: OpaquePointer
  private let instance: VulkanInstance
  private let deviceType: UInt32
  private let hostType: UInt32
  private var pipelines: [PipelineKey: VulkanPipeline] = [:]

  private struct PipelineKey: Hashable {
    let kernel: VulkanKernel
    let constants: [UInt32]
  }

  /// - Throws: `.unsupported` when the device lacks what is needed or its driver refuses.
  init(_ instance: VulkanInstance, index: Int, _ capabilities: VulkanCapabilities) throws {
    if let obstacle = capabilities.obstacle {
      throw SanaError(
        .unsupported, "vulkan:\(index) cannot be used: \(obstacle)",
        remedy: "choose --device cpu")
    }
    guard let deviceType = capabilities.deviceMemoryType, let hostType = capabilities.hostMemoryType
    else { preconditionFailure("an obstacle otherwise") }
    self.capabilities = capabilities
    self.instance = instance
    self.deviceType = UInt32(deviceType)
    self.hostType = UInt32(hostType)
    var facts = sana_vulkan_facts()
    sana_vulkan_describe(instance.handle, UInt32(index), &facts)
    var handle: OpaquePointer?
    let result = sana_vulkan_device_open(instance.handle, UInt32(index), &facts, &handle)
    guard result == 0, let handle else {
      throw VulkanFailure.error(result, "opening vulkan:\(index)")
    }
    self.handle = handle
  }

  deinit {
    pipelines = [:]
    sana_vulkan_device_close(handle)
  }

  /// The pipeline of a kernel with these specialization constants, made when it is first asked for.
  func pipeline(_ kernel: VulkanKernel, _ constants: [UInt32]) throws -> VulkanPipeline {
    let key = PipelineKey(kernel: kernel, constants: constants)
    if let pipeline = pipelines[key] { return pipeline }
    let pipeline = try VulkanPipeline(kernel, constants, on: self)
    pipelines[key] = pipeline
    return pipeline
  }

  /// Memory on the device, counted before it is asked for.
  func buffer(
    byteCount: Int, for purpose: MemoryLedger.Purpose, isHostVisible: Bool = false, _ what: String
  ) throws -> VulkanBuffer {
    var needed: UInt64 = 0
    var types: UInt32 = 0
    let result = sana_vulkan_buffer_needs(handle, UInt64(byteCount), &needed, &types)
    guard result == 0 else { throw VulkanFailure.error(result, what) }
    let claim = try ledger.claim(Int(clamping: needed), for: purpose, what)
    return try VulkanBuffer(
      byteCount: byteCount, memoryType: isHostVisible ? hostType : deviceType,
      isMapped: isHostVisible, claim, what, on: self)
  }
}

/// What went wrong in a driver, as an error of ours.
enum VulkanFailure {
  static func error(_ result: Int32, _ what: String) -> SanaError {
    switch result {
    case -1, -2:
      SanaError(
        .memoryLimit, "the device has no memory for \(what)",
        remedy: "close other programs that use it, or choose --device cpu")
    case -4:
      SanaError(
        .unsupported, "the device was lost in \(what)",
        remedy: "update its driver, or choose --device cpu")
    default:
      SanaError(
        .unsupported, "the device's driver refused \(what) (VkResult \(result))",
        remedy: "update its driver, or choose --device cpu")
    }
  }
}

/// A kernel by the name that the manifest gives it.
enum VulkanKernel: String, Hashable, CaseIterable {
  case product
  case channelwise
  case norm
  case elementwise
  case reluAttention = "relu_attention"
  case attention
}

/// A kernel with its specialization constants, ready to run.
final class VulkanPipeline {
  /// Bytes of the push constants of every kernel.
  static let pushWords = 24

  let handle: OpaquePointer
  let bufferCount: Int

  init(_ kernel: VulkanKernel, _ constants: [UInt32], on device: VulkanDevice) throws {
    let words = Self.words(of: kernel)
    bufferCount = words.buffers
    var handle: OpaquePointer?
    let result = sana_vulkan_pipeline_make(
      device.handle, words.words, words.words.count, UInt32(words.buffers),
      UInt32(4 * Self.pushWords), constants, UInt32(constants.count), &handle)
    guard result == 0, let handle else {
      throw VulkanFailure.error(result, "kernel \(kernel.rawValue)")
    }
    self.handle = handle
  }

  deinit { sana_vulkan_pipeline_free(handle) }

  private static func words(of kernel: VulkanKernel) -> (words: [UInt32], buffers: Int) {
    for index in 0..<sana_shader_count() {
      let shader = sana_shader_at(index)
      guard String(cString: shader.name) == kernel.rawValue else { continue }
      var words = [UInt32](repeating: 0, count: Int(shader.word_count))
      sana_shader_decode(shader, &words)
      return (words, Int(shader.buffers))
    }
    preconditionFailure("the manifest lists every kernel")
  }
}

/// Memory of a device, until the object goes away.
final class VulkanBuffer {
  let handle: OpaquePointer
  let byteCount: Int
  /// Tells buffers apart in recordings.
  var identity: ObjectIdentifier { ObjectIdentifier(self) }
  private let claim: MemoryClaim
  private let device: VulkanDevice

  fileprivate init(
    byteCount: Int, memoryType: UInt32, isMapped: Bool, _ claim: MemoryClaim, _ what: String,
    on device: VulkanDevice
  ) throws {
    var handle: OpaquePointer?
    let result = sana_vulkan_buffer_make(
      device.handle, UInt64(byteCount), memoryType, isMapped, &handle)
    guard result == 0, let handle else { throw VulkanFailure.error(result, what) }
    self.handle = handle
    self.byteCount = byteCount
    self.claim = claim
    self.device = device
  }

  deinit { sana_vulkan_buffer_free(handle) }

  /// The memory as the host sees it.
  var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      start: sana_vulkan_buffer_address(handle), count: byteCount)
  }
}

/// A part of a buffer.
struct VulkanWindow {
  let buffer: VulkanBuffer
  let range: Range<Int>

  var raw: sana_vulkan_window {
    sana_vulkan_window(
      buffer: buffer.handle, offset: UInt64(range.lowerBound), bytes: UInt64(range.count))
  }
}
