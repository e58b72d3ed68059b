import Testing
import VulkanBackend

@Suite struct VulkanInstanceTests {
  @Test func aLoaderThatIsNotThereIsNoInstance() {
    #expect(VulkanInstance(library: "/nonexistent/libvulkan.so.1") == nil)
  }

  @Test func aLibraryThatIsNoLoaderIsNoInstance() {
    #expect(VulkanInstance(library: "libm.so.6") == nil)
  }

  @Test func theSoftwareDeviceSaysWhatItIs() throws {
    let instance = try #require(VulkanInstance(validates: true))
    let software = try #require(instance.capabilities().first { $0.driver == .llvmpipe })
    #expect(software.type == .software)
    #expect(software.obstacle == nil)
    #expect(software.storageRange >= 128 << 20)
    #expect((software.heap?.byteCount ?? 0) > 1 << 30)
    #expect(VulkanQuirk.all(of: software).map(\.name) == ["software"])
    if let complaints = instance.complaints { #expect(complaints.count == 0, "\(complaints)") }
  }
}
