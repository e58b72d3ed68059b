import Foundation
import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing
import WeightFormats

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

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
      model, "--prompt", "a fox", "--width", "131", "--height", "65", "--steps", "1",
    ]
    let outcome = try tool.run(arguments + ["-o", output])
    #expect(outcome.status == 0)
    #expect(
      outcome.error
        == "note: drawn at 1408x704, the trained size nearest in shape, then scaled and cropped to 131x65\n"
    )
    let image = try PNGFile.read(output)
    #expect(image.width == 131 && image.height == 65)
    let planned = try tool.run(["plan"] + arguments + ["--json"])
    #expect(planned.error == outcome.error)
    let plan = try json(planned)
    #expect(plan["drawn_width"]?.integerValue == 1408)
    let exact = try json(
      try tool.run(["plan", model, "--width", "128", "--height", "64", "--json", "--no-binning"]))
    #expect(exact["drawn_width"]?.integerValue == 128)
  }

  @Test(arguments: [(1080, 1920, "768x1344"), (1000, 1000, "1024x1024")])
  func plansAnySizeWithTheNoteOfARun(width: Int, height: Int, drawn: String) throws {
    let arguments = ["plan", model, "--width", "\(width)", "--height", "\(height)"]
    let outcome = try tool.run(arguments)
    #expect(outcome.status == 0)
    #expect(outcome.error.hasPrefix("note: drawn at \(drawn), "))
    #expect(outcome.error.hasSuffix("to \(width)x\(height)\n"))
    #expect(outcome.error.contains("cropped") == (width != height))
  }

  @Test func aPromptIsCutToTheSequenceLengthAskedFor() throws {
    let arguments = ["--max-sequence-length", "2"]
    let outcome = try generate(arguments)
    #expect(outcome.status == 0)
    #expect(outcome.error.hasPrefix("note: the prompt is too long"))
    let cut = try PNGFile.read(output)
    let bytes = try Data(contentsOf: URL(filePath: output))
    #expect(bytes.range(of: Data(#""max_sequence_length":2"#.utf8)) != nil)
    #expect(try generate([]).status == 0)
    #expect(try PNGFile.read(output) != cut)
    let plan = try json(
      try tool.run(["plan", model, "--max-sequence-length", "700", "--json"]))
    #expect(plan["max_sequence_length"]?.integerValue == 700)
    let peaks = try ["100", "300", "700"].map { length in
      let plan = try json(
        try tool.run(["plan", model, "--max-sequence-length", length, "--json"]))
      return try #require(plan["stages"]?.arrayValue?[0]["activations_bytes"]?.integerValue)
    }
    #expect(peaks == peaks.sorted() && Set(peaks).count == 3)
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
    let peaks = stages.compactMap { $0["peak_bytes"]?.integerValue }
    let largest = try #require(peaks.max())
    let program = try #require(object["program_bytes"]?.integerValue)
    #expect(object["peak_bytes"]?.integerValue == largest + program)
    #expect(try #require(object["device_peak_bytes"]?.integerValue) <= largest)
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
    #expect(object["means"] == .array([]))
    let least = try #require(object["least_limit_bytes"]?.integerValue)
    let granted = try tool.run(
      "plan", model, "--width", "64", "--height", "64", "--memory-limit", "\(least)")
    #expect(granted.status == 0)
    #expect(granted.output.contains("to stay within the limit:"))
    let refused = try tool.run(
      "plan", model, "--width", "64", "--height", "64", "--memory-limit", "\(least - 1)")
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

  /// Long operations, at moments that are in different ones.
  @Test func aSignalEndsWhateverIsComputed() throws {
    for (seconds, signal) in [(0.3, SIGINT), (1, SIGTERM), (2.5, SIGINT)] {
      let running = try tool.start([
        model, "--prompt", "a fox", "-o", output, "--width", "1536", "--height", "1536",
        "--steps", "20", "--no-binning", "--threads", "1",
      ])
      Thread.sleep(forTimeInterval: seconds)
      let time = ContinuousClock().measure {
        kill(running.process.processIdentifier, signal)
        running.process.waitUntilExit()
      }
      // It takes a tenth of that where no other test takes the time.
      #expect(time < .seconds(4), "\(time)")
      let outcome = running.wait()
      #expect(outcome.status == 128 + signal)
      #expect(outcome.error.hasPrefix("error: stopped"))
      #expect(try names() == ["sana-tiny.sana"])
    }
  }

  @Test func aStoppedBatchKeepsThePicturesThatAreFinished() throws {
    let size = ["--width", "256", "--height", "256", "--steps", "8", "--no-binning"]
    let plan = try json(try tool.run(["plan", model, "--prompt", "a fox", "--json"] + size))
    let peak = try #require(plan["peak_bytes"]?.integerValue)
    // Within the limit that one picture needs, pictures are finished one by one.
    let arguments =
      [model, "--prompt", "a fox", "-o", output, "--count", "50", "--memory-limit", "\(peak)"]
      + size
    let batch = try json(try tool.run(["plan"] + arguments + ["--json"]))
    #expect(batch["pictures_at_once"]?.integerValue == 1)
    let running = try tool.start(arguments)
    let second = directory.path("out-2.png")
    while running.process.isRunning, !FileManager.default.fileExists(atPath: second) {
      Thread.sleep(forTimeInterval: 0.02)
    }
    running.process.interrupt()
    let outcome = running.wait()
    #expect(outcome.status == 130, "\(outcome.error)")
    #expect(outcome.output.isEmpty)
    let written = try names().filter { $0.hasSuffix(".png") }
    #expect(2..<50 ~= written.count)
    #expect(try names().count == written.count + 1)
    for name in written { #expect(try PNGFile.read(directory.path(name)).width == 256) }
    let rest = "--seed \(written.count) --count \(50 - written.count)"
    #expect(
      outcome.error
        == "error: stopped: \(written.count) of 50 pictures are written, \(directory.path("out-1.png")) to \(directory.path("out-\(written.count).png")); draw the others with \(rest) and another --output\n"
    )
    // What is written is what the whole batch would have written.
    let first = try PNGFile.read(second)
    #expect(
      try tool.run([model, "--prompt", "a fox", "-o", output, "--seed", "1"] + size).status == 0)
    #expect(try PNGFile.read(output) == first)
  }

  @Test func linksNoHDF5() throws {
    let outcome = try Tool.shell("ldd '\(tool.path)'")
    #expect(outcome.status == 0)
    #expect(!outcome.output.lowercased().contains("hdf5"))
  }
}
