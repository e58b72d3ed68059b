import CVulkanShaders
import Foundation
import Support
import TestSupport
import Testing

@Suite struct ShaderFreshnessTests {
  /// As `Tools/shader_modules.py` makes it.
  @Test func modulesAreThoseOfTheSources() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let folder = root.appending(path: "Sources/CVulkanShaders/shaders")
    let sources = try FileManager.default.contentsOfDirectory(
      at: folder, includingPropertiesForKeys: nil
    ).sorted { $0.lastPathComponent < $1.lastPathComponent }
    let tools = ["Tools/build_shaders.sh", "Tools/shader_modules.py"].map {
      root.appending(path: $0)
    }
    var bytes: [UInt8] = []
    for file in sources + tools {
      let data = try Data(contentsOf: file)
      bytes += Array("\(file.lastPathComponent) \(data.count)\n".utf8) + data
    }
    var digest = SHA256()
    bytes.withUnsafeBytes { digest.update($0) }
    #expect(
      digest.finish() == String(cString: sana_shader_digest()),
      "run Tools/build_shaders.sh")
  }
}
