import Foundation
import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing
import WeightFormats

/// Checkpoints that contradict themselves or lack something: found before anything is written, and
/// shown by `inspect` as `convert` says it.
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

  // MARK: - Numbers

  @Test func aNaNIsRefusedByNameAndKeptOnRequest() throws {
    let checkpoint = try directory.copy(Checkpoints.url("sana-tiny"), to: "checkpoint")
    let weights = checkpoint + "/transformer/diffusion_pytorch_model.safetensors"
    let file = try SafetensorsFile(path: weights)
    let following = file.tensors.drop { $0.name != "scale_shift_table" }
    let offset = file.byteCount - following.reduce(0) { $0 + $1.byteCount }
    let handle = try FileHandle(forUpdating: URL(filePath: weights))
    try handle.seek(toOffset: UInt64(offset + 12))
    try handle.write(contentsOf: [0, 0, 0xC0, 0x7F])
    try handle.close()

    let words =
      "1 number of 1 tensor is not finite: 'scale_shift_table' of transformer/diffusion_pytorch_model.safetensors (1 NaN)"
    let refused = try tool.run(checkpoint, "-o", output)
    #expect(refused.status == 1)
    #expect(refused.error.contains("\(words); use weights without them"), "\(refused.error)")
    #expect(!FileManager.default.fileExists(atPath: output))
    let kept = try tool.run(checkpoint, "-o", output, "--allow-non-finite")
    #expect(kept.status == 0)
    #expect(kept.error == "note: \(words); they are kept\n")
    // The table is copied, not coded, and refused all the same.
    let quantized = directory.path("quantized.sana")
    let coded = try Tool("sana-quant").run(output, "--recipe", "w8a8", "-o", quantized)
    #expect(coded.status == 1)
    #expect(
      coded.error.contains("1 number of 1 tensor is not finite: 'transformer/scale_shift_table'"),
      "\(coded.error)")
    #expect(!FileManager.default.fileExists(atPath: quantized))
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
