import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct AttackTests {
  @Test(arguments: AttackTable.attacks)
  func hasOneAnswer(_ attack: Attack) throws {
    let error = try #require(throws: SanaError.self) { try attack.read() }
    #expect(error.code == attack.code, "\(error)")
    #expect(error.message.contains(attack.message), "\(error)")
    #expect(error.location?.hasPrefix("attack") == true)
    #expect(error.description.count < 1000)
    #expect(!error.description.utf8.contains { $0 < 0x20 })
  }

  @Test func shardsOutsideTheFolderAreNotOpened() throws {
    let directory = try TestDirectory()
    try directory.write([2, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D], to: "secret.safetensors")
    for name in [
      "../secret.safetensors", "/etc/secret.safetensors", "..\\/secret.safetensors", "..",
      "a/../../secret.safetensors", "",
    ] {
      let index = try directory.write(
        #"{"weight_map":{"a":"\#(name)"}}"#, to: "model/model.safetensors.index.json")
      let error = try #require(throws: SanaError.self) { try WeightFiles.open(file: index) }
      #expect(error.code == .malformedFile, "\(error)")
      #expect(error.message.contains("is no file of weights in its folder"))
    }
  }

  /// Downloads of the Hugging Face cache are links; what they point to must be a file all the same.
  @Test func linksAreFollowedToFilesOnly() throws {
    let directory = try TestDirectory()
    let file = try directory.write([2, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D], to: "blob")
    for (name, target) in [
      ("good", file), ("device", "/dev/zero"), ("folder", directory.url.path), ("loop", "loop"),
    ] {
      try FileManager.default.createSymbolicLink(
        atPath: directory.path(name), withDestinationPath: target)
    }
    #expect(try SafetensorsFile(path: directory.path("good")).tensors.isEmpty)
    for name in ["device", "folder", "loop"] {
      let error = try #require(throws: SanaError.self) {
        try SafetensorsFile(path: directory.path(name))
      }
      #expect(error.code == .fileAccess)
    }
  }
}
