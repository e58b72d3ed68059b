import Foundation
import TestSupport
import Testing

@Suite struct CalibrateCommandTests {
  private let directory: TestDirectory
  private let model: String

  init() throws {
    directory = try TestDirectory()
    model = try ConvertedModels.make("sana-tiny", in: directory)
  }

  private func calibrate(_ arguments: String...) throws -> Tool.Outcome {
    try Tool("sana-quant").run(
      ["calibrate", model, "-o", directory.path("statistics.h5")]
        + ["--width", "64", "--height", "64", "--steps", "1"] + arguments)
  }

  @Test func aFileIsWrittenAndWhatWasDrawnIsReported() throws {
    let prompts = try directory.write("a red circle\r\n\n  \na blue square\n", to: "prompts.txt")
    let outcome = try calibrate("--prompts", prompts, "--seeds", "1,2", "--json")
    #expect(outcome.status == 0 && outcome.error.isEmpty, "\(outcome)")
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect(object["prompts"] as? [String] == ["a red circle", "a blue square"])
    #expect(object["seeds"] as? [String] == ["1", "2"])
    #expect(object["width"] as? Int == 64)
    #expect(object["products"] as? Int == 82)
    // Once more in its place.
    let again = try calibrate()
    #expect(again.status == 0 && again.output.hasPrefix("82 products, "), "\(again)")
  }

  private func expectFailure(
    _ outcome: Tool.Outcome, _ words: String, location: SourceLocation = #_sourceLocation
  ) {
    #expect(outcome.status == 1, "\(outcome)", sourceLocation: location)
    #expect(
      outcome.error.hasPrefix("error: ") && outcome.error.contains(words), "\(outcome)",
      sourceLocation: location)
    #expect(outcome.error.count { $0 == "\n" } == 1, sourceLocation: location)
  }

  @Test func whatCannotBeDoneIsSaidInOneLine() throws {
    let empty = try directory.write("\n \n", to: "empty.txt")
    expectFailure(try calibrate("--prompts", empty), "holds no prompt")
    let binary = try directory.write([0xFF, 0xFE, 0x00], to: "binary.txt")
    expectFailure(try calibrate("--prompts", binary), "is no UTF-8 text")
    expectFailure(try calibrate("--prompts", directory.path("none.txt")), "none.txt")
    expectFailure(try calibrate("--rows", "0"), "0 rows")
    expectFailure(try calibrate("--memory-limit", "1MiB"), "allow ")
    expectFailure(
      try Tool("sana-quant").run("calibrate", model, "-o", model), "is read by this command")
    let trace = Fixtures.directory.appending(path: "traces/sana-tiny.h5").path
    let copy = try directory.copy(URL(filePath: trace), to: "trace.h5")
    expectFailure(
      try Tool("sana-quant").run("calibrate", model, "-o", copy), "an HDF5 file of something else")
    #expect(
      try Data(contentsOf: URL(filePath: copy)) == Data(contentsOf: URL(filePath: trace)))
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: directory.url.path)
        .allSatisfy { !$0.contains("statistics") && !$0.contains("partial") })
  }

  @Test func seedsThatAreNoneAreWrongUsage() throws {
    for seeds in ["", "1,", "-1", "a"] {
      #expect(try calibrate("--seeds", seeds).status == 64, "\(seeds)")
    }
  }
}
