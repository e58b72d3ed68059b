import Foundation
import Support
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct ReplacementFileTests {
  private let directory: TestDirectory
  private var output: String { directory.path("model.sana") }

  init() throws { directory = try TestDirectory() }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory.url.path).sorted()
  }

  @Test func whatADeadProcessLeftIsRemoved() throws {
    try directory.write("unfinished", to: "model.sana.4711.partial")
    try directory.write("unfinished", to: "model.sana.4711-2.partial")
    try directory.write("unfinished", to: "model.sana.99.partial/transformer/config.json")
    try ReplacementFile.write([1, 2, 3], to: output)
    #expect(try names() == ["model.sana"])
    #expect(try Data(contentsOf: URL(filePath: output)) == Data([1, 2, 3]))
  }

  @Test func whatALiveProcessWritesStays() throws {
    let path = try directory.write("in the making", to: "model.sana.4711.partial")
    let descriptor = open(path, O_RDWR)
    defer { close(descriptor) }
    #expect(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
    try ReplacementFile.write([1], to: output)
    #expect(try names() == ["model.sana", "model.sana.4711.partial"])
    #expect(flock(descriptor, LOCK_UN) == 0)
    try ReplacementFile.write([2], to: output)
    #expect(try names() == ["model.sana"])
  }

  @Test func otherNamesStay() throws {
    let others = [
      "model.sana.partial", "model.sana.12x.partial", "model.sana.1-2-3.partial",
      "model.sana..partial", "model.sana.-.partial", "other.sana.12.partial", "model.sana.12",
      "amodel.sana.12.partial", "model.sana.12.partial2",
    ]
    for name in others { try directory.write("precious", to: name) }
    try ReplacementFile.write([1], to: output)
    #expect(try names() == (others + ["model.sana"]).sorted())
  }

  @Test func aLinkWithATemporaryNameIsNotFollowed() throws {
    let target = try directory.write("precious", to: "elsewhere/file")
    try FileManager.default.createSymbolicLink(
      atPath: output + ".12.partial", withDestinationPath: target)
    try ReplacementFile.write([1], to: output)
    #expect(FileManager.default.fileExists(atPath: target))
  }

  @Test func twoWritersOfOneOutputDoNotDisturbEachOther() throws {
    let first = try ReplacementFile(path: output)
    try first.write([1], at: 0)
    let second = try ReplacementFile(path: output)
    try second.write([2], at: 0)
    #expect(try names().count == 2)
    try second.commit()
    try first.commit()
    #expect(try Data(contentsOf: URL(filePath: output)) == Data([1]))
    #expect(try names() == ["model.sana"])
  }

  @Test func foldersAreTreatedLikeFiles() throws {
    try directory.write("unfinished", to: "out.4711.partial/vae/weights")
    let first = try ReplacementDirectory(path: directory.path("out"))
    #expect(try names() == [FileSystem.name(of: first.temporaryPath)])
    do {
      let second = try ReplacementDirectory(path: directory.path("out"))
      #expect(second.temporaryPath != first.temporaryPath)
      #expect(try names().count == 2)
    }
    #expect(try names() == [FileSystem.name(of: first.temporaryPath)])
    try first.commit()
    #expect(try names() == ["out"])
  }

  @Test func manyWritersAtOnceAllSucceed() throws {
    let output = output
    try Parallel.forEach(64, workers: 8) { index, _ in
      try ReplacementFile.write([UInt8](repeating: UInt8(index), count: 1000), to: output)
    }
    #expect(try names() == ["model.sana"])
    let contents = try Data(contentsOf: URL(filePath: output))
    #expect(contents.count == 1000 && Set(contents).count == 1)
  }
}
