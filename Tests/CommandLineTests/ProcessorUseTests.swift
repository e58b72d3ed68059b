import Foundation
import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing

/// `sana-run` where it may not use every processor.
@Suite struct ProcessorUseTests {
  private let directory: TestDirectory
  private let tool: Tool
  /// A processor that this process may use.
  private let processor: String

  init() throws {
    directory = try TestDirectory()
    tool = try Tool("sana-run")
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let list = try #require(
      status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") })
    processor = String(try #require(list.split { !$0.isNumber }.first))
  }

  /// Runs the tool on one processor.
  private func pinned(_ arguments: [String]) throws -> Tool.Outcome {
    let words = (["taskset", "-c", processor, tool.path] + arguments).map { "'\($0)'" }
    return try Tool.shell("exec " + words.joined(separator: " "))
  }

  private func json(_ outcome: Tool.Outcome) throws -> MetadataValue {
    try Array(outcome.output.utf8).withUnsafeBytes {
      try JSONParser.parse($0, location: "output")
    }
  }

  @Test func devicesSayWhatTheProcessMayUse() throws {
    let cpu = try #require(try json(pinned(["devices", "--json"]))["devices"]?.arrayValue?.first)
    #expect(cpu["threads"]?.integerValue == 1)
    #expect(cpu["processors_allowed"]?.integerValue == 1)
    let online = try #require(cpu["processors_online"]?.integerValue)
    let text = try pinned(["devices"]).output
    #expect(text.contains(", 1 thread"))
    #expect(online == 1 || text.contains("(may use 1 of \(online) processors"))
  }

  @Test func threadsThatShareAProcessorDrawTheSamePicture() throws {
    let model = try ConvertedModels.make("sana-tiny", in: directory)
    func draw(_ name: String, _ arguments: String...) throws -> Data {
      let output = directory.path(name)
      let outcome = try pinned(
        [
          model, "--prompt", "a fox", "-o", output, "--width", "64", "--height", "64", "--steps",
          "2", "--no-binning",
        ] + arguments)
      #expect(outcome.status == 0, "\(outcome.error)")
      return try Data(contentsOf: URL(filePath: output))
    }
    let alone = try draw("alone.png")
    #expect(try draw("three.png", "--threads", "3") == alone)
    #expect(try draw("many.png", "--threads", "40") == alone)
  }
}
