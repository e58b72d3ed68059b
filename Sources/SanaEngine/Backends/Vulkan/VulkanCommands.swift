internal import CVulkan
internal import Support

/// Commands that are recorded once and submitted any number of times.
final class VulkanCommands {
  private let handle: OpaquePointer
  private let device: VulkanDevice

  /// - Parameters:
  ///   - dispatches: how many there will be.
  ///   - buffers: how many windows all of them are given together.
  init(dispatches: Int, buffers: Int, on device: VulkanDevice) throws {
    var handle: OpaquePointer?
    let result = sana_vulkan_commands_make(
      device.handle, UInt32(dispatches), UInt32(buffers), &handle)
    guard result == 0, let handle else { throw VulkanFailure.error(result, "recording commands") }
    self.handle = handle
    self.device = device
  }

  deinit { sana_vulkan_commands_free(handle) }

  func barrier() { sana_vulkan_barrier(handle) }

  func copy(_ from: VulkanWindow, to: VulkanWindow) { sana_vulkan_copy(handle, from.raw, to.raw) }

  func dispatch(_ dispatch: VulkanDispatch, _ pipeline: VulkanPipeline) throws {
    var push = dispatch.push
    push += [UInt32](repeating: 0, count: VulkanPipeline.pushWords - push.count)
    let windows = dispatch.operands.map(\.window.raw)
    precondition(windows.count == pipeline.bufferCount)
    let result = sana_vulkan_dispatch(handle, pipeline.handle, windows, push, dispatch.groups)
    guard result == 0 else { throw VulkanFailure.error(result, "recording commands") }
  }

  func end() throws {
    let result = sana_vulkan_commands_end(handle)
    guard result == 0 else { throw VulkanFailure.error(result, "recording commands") }
  }

  /// Submits, and waits until everything is done.
  func submit(_ what: String) throws {
    let result = sana_vulkan_submit(handle)
    guard result == 0 else { throw VulkanFailure.error(result, what) }
  }
}

/// A kernel with everything that it is given.
struct VulkanDispatch {
  struct Operand {
    let window: VulkanWindow
    /// Whether the kernel reads and writes it; neither where it only fills a place.
    let reads: Bool
    let writes: Bool
  }

  let kernel: VulkanKernel
  let constants: [UInt32]
  let operands: [Operand]
  let push: [UInt32]
  let groups: [UInt32]

  /// What the recording is told.
  var accesses: [VulkanRecording.Access] {
    operands.flatMap { operand in
      [(operand.reads, false), (operand.writes, true)].filter(\.0).map {
        VulkanRecording.Access(
          buffer: operand.window.buffer.identity, range: operand.window.range, writes: $0.1)
      }
    }
  }
}
