import Foundation
import SanaEngine
import TestSupport
import Testing
import WeightFormats

/// `sana-run` as a user runs it.
@Suite struct RunCommandTests {
  private let directory: TestDirectory
  private let tool: Tool
  private let model: String

  init() throws {
    directory = try TestDirectory()
    tool = try Tool("sana-run")
    model = try ConvertedModels.make("sana-tiny", in: directory)
  }

  private var output: String { directory.path("out.png") }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory.url.path).sorted()
  }

  private func generate(_ arguments: [String]) throws -> Tool.Outcome {
    try tool.run(
      [
        model, "--prompt", "a fox", "-o", output, "--width", "64", "--height", "64", "--steps", "2",
        "--no-binning",
      ] + arguments)
  }

  private func json(_ outcome: Tool.Outcome) throws -> MetadataValue {
    try Array(outcome.output.utf8).withUnsafeBytes {
      try JSONParser.parse($0, location: "output")
    }
  }

  @Test func drawsAPictureThatSaysHowItWasMade() throws {
    let outcome = try generate(["--seed", "3"])
    #expect(outcome.status == 0)
    #expect(outcome.error.isEmpty)
    #expect(outcome.output.contains("wrote \(output)"))
    let image = try PNGFile.read(output)
    #expect(image.width == 64 && image.height == 64)
    let bytes = try Data(contentsOf: URL(filePath: output))
    #expect(bytes.range(of: Data(#""prompt":"a fox""#.utf8)) != nil)
    #expect(bytes.range(of: Data(#""seed":"3""#.utf8)) != nil)
    #expect(try names() == ["out.png", "sana-tiny.sana"])
  }

  @Test func drawsAtATrainedSizeAndScales() throws {
    let arguments = [
      model, "--prompt", "a fox", "--width", "128", "--height", "64", "--steps", "1",
    ]
    let outcome = try tool.run(arguments + ["-o", output])
    #expect(outcome.status == 0)
    #expect(outcome.error.hasPrefix("note: drawn at 1408x704, the trained size nearest in shape"))
    let image = try PNGFile.read(output)
    #expect(image.width == 128 && image.height == 64)
    let plan = try json(try tool.run(["plan"] + arguments + ["--json"]))
    #expect(plan["drawn_width"]?.integerValue == 1408)
    let exact = try json(try tool.run(["plan"] + arguments + ["--json", "--no-binning"]))
    #expect(exact["drawn_width"]?.integerValue == 128)
  }

  @Test func theSameSeedDrawsTheSamePicture() throws {
    #expect(try generate(["--threads", "1"]).status == 0)
    let first = try PNGFile.read(output)
    #expect(try generate(["--threads", "2"]).status == 0)
    #expect(try PNGFile.read(output) == first)
    #expect(try generate(["--seed", "1"]).status == 0)
    #expect(try PNGFile.read(output) != first)
  }

  @Test func aTokenizerOfJSONAloneDrawsTheSamePicture() throws {
    let folder = try directory.copy(Checkpoints.url("sana-tiny"), to: "checkpoint")
    try FileManager.default.removeItem(atPath: folder + "/tokenizer/tokenizer.model")
    let other = directory.path("other.sana")
    try CheckpointConversion(OfficialCheckpoint(path: folder)).write(to: other)
    let prompts = ["a fox", "a <bos> fox\n\n  \u{1F98A} in   Z\u{fc}rich<start_of_turn>\t1024"]
    let pictures = try [model, other].map { model in
      try prompts.map { prompt in
        let outcome = try tool.run(
          model, "--prompt", prompt, "-o", output, "--width", "64", "--height", "64", "--steps",
          "2",
          "--no-binning")
        #expect(outcome.status == 0, "\(outcome.error)")
        return try PNGFile.read(output)
      }
    }
    #expect(pictures[0] == pictures[1])
    #expect(pictures[0][0] != pictures[0][1])
  }

  @Test func printsOneJSONObject() throws {
    let outcome = try generate(["--json", "--count", "2", "--memory-limit", "1GiB"])
    #expect(outcome.status == 0)
    let object = try json(outcome)
    #expect(object["limit_bytes"]?.integerValue == 1 << 30)
    let stages = try #require(object["stages"]?.arrayValue)
    #expect(stages.map { $0["name"]?.stringValue } == ["text", "denoise", "decode"])
    for stage in stages {
      for key in ["weights_bytes", "activations_bytes", "peak_bytes"] {
        #expect(try #require(stage[key]?.integerValue) > 0)
      }
      #expect(try #require(stage["seconds"]?.numberValue) > 0)
    }
    #expect(
      object["peak_bytes"]?.integerValue
        == stages.compactMap { $0["peak_bytes"]?.integerValue }.max())
    #expect(
      object["pictures"]?.arrayValue?.map { $0["path"]?.stringValue }
        == [directory.path("out-1.png"), directory.path("out-2.png")])
    #expect(try names() == ["out-1.png", "out-2.png", "sana-tiny.sana"])
  }

  @Test func plansWithoutDrawing() throws {
    let outcome = try tool.run("plan", model, "--width", "64", "--height", "64", "--json")
    #expect(outcome.status == 0)
    let object = try json(outcome)
    #expect(object["limit_bytes"] == .null)
    #expect(object["stages"]?.arrayValue?.allSatisfy { $0["seconds"] == nil } == true)
    let peak = try #require(object["peak_bytes"]?.integerValue)
    let refused = try tool.run(
      "plan", model, "--width", "64", "--height", "64", "--memory-limit", "\(peak - 1)")
    #expect(refused.status == 1)
    #expect(refused.output.contains("denoise"))
    #expect(refused.error.contains("memory limit"))
    #expect(try names() == ["sana-tiny.sana"])
  }

  @Test func listsDevices() throws {
    let outcome = try tool.run("devices", "--json")
    #expect(outcome.status == 0)
    #expect(try json(outcome)["devices"]?.arrayValue?.first?["name"] == "cpu")
    #expect(try tool.run("devices").output.contains("cpu"))
  }

  @Test func benchReportsStagesAndOperations() throws {
    let outcome = try tool.run(
      "bench", model, "--width", "64", "--height", "64", "--repeats", "2", "--json")
    #expect(outcome.status == 0)
    let report = try json(outcome)
    let operations = try #require(report["operations"]?.arrayValue)
    #expect(Set(operations.map { $0["stage"]?.stringValue }) == ["text", "denoise", "decode"])
    let attention = try #require(
      operations.first {
        $0["stage"] == "denoise" && $0["operation"] == "reluAttention"
      })
    // Three blocks, for the negative prompt and the prompt.
    #expect(attention["count"]?.integerValue == 6)
    #expect((attention["peak_share"]?.numberValue).map { 0...1 ~= $0 } == true)
    let measurements = try #require(report["measurements"]?.arrayValue)
    #expect(measurements.allSatisfy { $0["seconds"]?.arrayValue?.count == 2 })
    #expect((report["peak"]?["int8_operations_per_second"]?.numberValue ?? 0) > 1e9)
    #expect(try names() == ["sana-tiny.sana"])
  }

  @Test func benchMeasuresOneStage() throws {
    let outcome = try tool.run(
      "bench", model, "--width", "64", "--height", "64", "--stage", "denoise", "--top", "2")
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("one denoising step"))
    #expect(outcome.output.contains("of peak"))
    #expect(!outcome.output.contains("decode"))
    #expect(try tool.run("bench", model, "--stage", "paint").status == 64)
    #expect(try tool.run("bench", model, "--repeats", "0").status == 64)
  }

  @Test func aPromptThatIsTooLongIsCutWithANote() throws {
    let prompt = String(repeating: "seven red foxes ", count: 100)
    let outcome = try tool.run(
      model, "--prompt", prompt, "-o", output, "--width", "64", "--height", "64", "--steps", "1")
    #expect(outcome.status == 0)
    #expect(outcome.error.contains("too long"))
  }

  @Test func anEmptyPromptDrawsSomething() throws {
    let outcome = try tool.run(
      model, "--prompt", "", "-o", output, "--width", "64", "--height", "64", "--steps", "1")
    #expect(outcome.status == 0)
  }

  @Test func ctrlCEndsCleanly() throws {
    let running = try tool.start([
      model, "--prompt", "a fox", "-o", output, "--width", "512", "--height", "512", "--steps",
      "1000", "--no-binning",
    ])
    Thread.sleep(forTimeInterval: 1)
    running.process.interrupt()
    let outcome = running.wait()
    #expect(outcome.status == 130)
    #expect(outcome.error.hasPrefix("error: stopped before the work was done"))
    #expect(try names() == ["sana-tiny.sana"])
  }

  @Test func linksNoHDF5() throws {
    let outcome = try Tool.shell("ldd '\(tool.path)'")
    #expect(outcome.status == 0)
    #expect(!outcome.output.lowercased().contains("hdf5"))
  }
}
