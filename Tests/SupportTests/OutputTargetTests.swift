import Foundation
import Support
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct OutputTargetTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private func link(_ name: String, to target: String) throws -> String {
    let path = directory.path(name)
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
    return path
  }

  @Test func chainsAreFollowedToTheirEnd() throws {
    let file = try directory.write("x", to: "folder/file")
    #expect(try OutputTarget(following: file) == .place(file))
    _ = try link("second", to: file)
    let first = try link("first", to: "second")
    #expect(try OutputTarget(following: first) == .place(file))
    let dangling = try link("dangling", to: "folder/new")
    #expect(try OutputTarget(following: dangling) == .place(directory.path("folder/new")))
    let long = (0..<45).reduce(file) { target, index in
      (try? link("long\(index)", to: target)) ?? target
    }
    #expect(throws: SanaError.self) { try OutputTarget(following: long) }
  }

  @Test(arguments: ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/thread-self/fd/1"])
  func theStandardOutputIsKnownByAllItsNames(name: String) throws {
    #expect(try OutputTarget(following: name) == .standardOutput)
    #expect(try OutputTarget(following: try link("out", to: name)) == .standardOutput)
    #expect(throws: SanaError.self) { try ReplacementFile(path: name) }
  }

  @Test(arguments: [
    "/dev/null", "/dev/none", "/proc/self/fd/0", "/proc/none", "/sys/none", "/dev/fd/2",
  ])
  func theSystemsPlacesAreRefused(name: String) throws {
    #expect(throws: SanaError.self) { try OutputTarget(following: name) }
    #expect(throws: SanaError.self) { try OutputTarget(following: try link("out", to: name)) }
  }

  @Test func aFolderThatIsALinkIntoTheSystemIsSeenThrough() throws {
    let folder = try link("folder", to: "/dev")
    #expect(throws: SanaError.self) { try OutputTarget(following: folder + "/none") }
  }

  @Test func aReplacementWritesBesideWhatALinkNames() throws {
    try directory.write("old", to: "folder/file")
    let path = try link("name", to: "folder/file")
    let file = try ReplacementFile(path: path)
    try file.write([1, 2], at: 0)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: directory.url.path).sorted()
        == ["folder", "name"])
    try file.commit()
    #expect(try Data(contentsOf: URL(filePath: directory.path("folder/file"))) == Data([1, 2]))
    #expect(
      try FileManager.default.destinationOfSymbolicLink(atPath: path) == "folder/file")
  }

  @Test func aLinkThatTakesTheNameMeanwhileIsNotReplaced() throws {
    let path = directory.path("file")
    let file = try ReplacementFile(path: path)
    try file.write([1], at: 0)
    _ = try link("file", to: "elsewhere")
    #expect(throws: SanaError.self) { try file.commit() }
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path) == "elsewhere")
  }

  @Test func inputsAreKnownByWhatTheyAre() throws {
    let file = try directory.write("weights", to: "folder/deep/file")
    let inputs = InputFiles([directory.path("folder"), directory.path("none")])
    let hard = directory.path("hard")
    try FileManager.default.linkItem(atPath: file, toPath: hard)
    for path in [file, hard, try link("soft", to: file)] {
      #expect(throws: SanaError.self) { try inputs.check(path) }
    }
    #expect(throws: Never.self) { try inputs.check(directory.path("other")) }
    #expect(throws: Never.self) { try inputs.check(try directory.write("weights", to: "copy")) }
  }
}
