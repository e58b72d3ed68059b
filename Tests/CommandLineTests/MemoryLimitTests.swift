import Foundation
import TestSupport
import Testing

/// Limits on memory (`ulimit -v`), from too little to start with to enough: a command succeeds, or
/// says so in one true line and leaves nothing half-written. It never crashes, and never waits for
/// memory that does not come.
@Suite struct MemoryLimitTests {
  private let directory: TestDirectory
  private let model: String

  init() throws {
    directory = try TestDirectory()
    model = try ConvertedModels.make("sana-tiny", in: directory)
  }

  @Test(arguments: ["convert", "quantize", "export", "picture", "diff"])
  func aCommandThatGetsTooLittleSaysSo(command: String) throws {
    let tiny = Checkpoints.path("sana-tiny")
    let output = directory.path("out")
    let line =
      switch command {
      case "convert": "'\(try Tool("sana-convert").path)' '\(tiny)' -o '\(output)'"
      case "quantize": "'\(try Tool("sana-quant").path)' '\(model)' --recipe w8a8 -o '\(output)'"
      case "export": "'\(try Tool("sana-convert").path)' export '\(model)' -o '\(output)'"
      case "diff": "'\(try Tool("sana-convert").path)' diff '\(model)' '\(tiny)'"
      default:
        "'\(try Tool("sana-run").path)' '\(model)' --prompt x --steps 1 --width 64 --height 64"
          + " --no-binning -o '\(output)'"
      }
    let before = try FileManager.default.contentsOfDirectory(atPath: directory.url.path)
    var failures = 0
    var successes = 0
    for kibibytes in stride(from: 80_000, through: 400_000, by: 16_000) {
      let outcome = try Tool.shell("ulimit -v \(kibibytes); exec timeout 60 \(line)")
      // The loader speaks for a program that has no room for its libraries.
      guard outcome.status != 127 else { continue }
      if outcome.status == 0 {
        successes += 1
        try? FileManager.default.removeItem(atPath: output)
      } else {
        failures += 1
        #expect(outcome.status == (command == "diff" ? 2 : 1), "\(kibibytes): \(outcome)")
        #expect(outcome.error.hasPrefix("error: "), "\(kibibytes): \(outcome)")
        #expect(outcome.error.contains("memory"), "\(kibibytes): \(outcome)")
        #expect(outcome.error.contains("ulimit -v"), "\(kibibytes): \(outcome)")
        #expect(outcome.error.count { $0 == "\n" } == 1, "\(kibibytes): \(outcome)")
      }
      let left = try FileManager.default.contentsOfDirectory(atPath: directory.url.path)
        .filter { !before.contains($0) }
      #expect(left.isEmpty, "\(kibibytes): \(left)")
    }
    #expect(successes > 0 && failures > 0)
  }
}
