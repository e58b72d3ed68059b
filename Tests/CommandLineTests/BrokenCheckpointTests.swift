import Foundation
import SanaEngine
import TestSupport
import Testing
import WeightFormats

/// Checkpoints that contradict themselves or lack something: found before anything is written, and shown by `inspect` as `convert`
/// says it.
@Suite struct BrokenCheckpointTests {
  private let directory: TestDirectory
  private let tool: Tool
  private var output: String { directory.path("model.sana") }

  init() throws {
    directory = try TestDirectory()
    tool = try Tool("sana-convert")
  }

  @Test(arguments: CheckpointDamage.all) func inspectShowsWhatConvertSays(
    _ damage: CheckpointDamage
  ) throws {
    let checkpoint = try damage.checkpoint(in: directory)
    let converted = try tool.run(checkpoint, "-o", output)
    for words in damage.words { #expect(converted.error.contains(words), "\(converted.error)") }
    #expect(converted.error.count { $0 == "\n" } == 1)
    #expect((converted.status == 0) == converted.error.hasPrefix("note: "))
    #expect(FileManager.default.fileExists(atPath: output) == (converted.status == 0))

    let message = try #require(
      converted.error.firstRange(of: ": ").map { converted.error[$0.upperBound...].dropLast() })
    let inspected = try tool.run("inspect", checkpoint)
    let shown = inspected.status == 0 ? inspected.output : inspected.error
    #expect(shown.contains(message), "\(shown)")
    let object = try tool.run("inspect", checkpoint, "--json")
    guard object.status == 0 else { return }
    let report = try Array(object.output.utf8).withUnsafeBytes {
      try JSONParser.parse($0, location: "report")
    }
    let said =
      (report["conversion"]?["notes"]?.arrayValue ?? [])
      + [report["conversion"]?["error"] ?? .null]
    #expect(said.contains { $0.stringValue.map { $0 == message } ?? false })
  }

  @Test(arguments: ["sana-tiny", "sana-tiny/transformer", "sana15-tiny/text_encoder"])
  func inspectSaysNothingOfASoundOne(_ name: String) throws {
    let outcome = try tool.run("inspect", Checkpoints.path(name))
    #expect(outcome.status == 0)
    #expect(!outcome.output.contains("a conversion fails"), "\(outcome.output)")
    #expect(!outcome.output.contains("note: "), "\(outcome.output)")
  }

  // MARK: - Schedulers

  @Test func aSchedulerHindersNobodyWhoNeedsNone() throws {
    for damage in [
      CheckpointDamage.unrunnableScheduler,
      try #require(CheckpointDamage.documents.first { $0.description.contains("scheduler") }),
      try #require(CheckpointDamage.pipelines.first { $0.description == "no scheduler" }),
    ] {
      let checkpoint = try damage.checkpoint(in: directory)
      let outcome = try tool.run(
        checkpoint, "--components", "text-encoder,autoencoder", "-o", output)
      #expect(outcome.status == 0, "\(outcome.error)")
      #expect(outcome.error.isEmpty || outcome.error.hasPrefix("note: the scheduler is left out"))
      #expect(try ModelFile(path: output).components.count == 2)
      try FileManager.default.removeItem(atPath: checkpoint)
    }
  }

  @Test func anotherSchedulerDrawsInThePlaceOfOneThatCannotBeRun() throws {
    let checkpoint = try CheckpointDamage.unrunnableScheduler.checkpoint(in: directory)
    #expect(try tool.run(checkpoint, "-o", output).status == 0)
    let shown = try tool.run("inspect", output)
    #expect(shown.output.contains("UniPCMultistepScheduler, which cannot be run"))

    let run = try Tool("sana-run")
    let sound = try ConvertedModels.make("sana-tiny", in: directory)
    func draw(_ model: String, _ name: String, _ arguments: String...) throws -> Tool.Outcome {
      try run.run(
        [model, "--prompt", "a fox", "--steps", "2", "-o", directory.path(name)] + arguments)
    }
    let refused = try draw(output, "refused.png")
    #expect(refused.status == 1)
    #expect(refused.error.contains("UniPCMultistepScheduler"), "\(refused.error)")
    #expect(refused.error.contains("choose another (--scheduler dpm++ or euler)"))
    for scheduler in ["dpm++", "euler"] {
      let drawn = try draw(output, "substitute.png", "--scheduler", scheduler)
      #expect(drawn.status == 0, "\(drawn.error)")
      #expect(try draw(sound, "sound.png", "--scheduler", scheduler).status == 0)
      #expect(
        try PNGFile.read(directory.path("substitute.png"))
          == PNGFile.read(directory.path("sound.png")))
    }
  }
}
