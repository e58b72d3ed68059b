import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What `kill -9` leaves. `Tools/check_interruptions.py` does the same at full size, many times.
@Suite struct KilledToolTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory.url.path).sorted()
  }

  /// Kills the command before it is done, again and again, and lets it finish at last.
  private func killRepeatedly(_ tool: Tool, _ arguments: [String], output: String) throws {
    let before = try names()
    for milliseconds in [10, 50, 100] {
      let running = try tool.start(arguments)
      usleep(UInt32(milliseconds) * 1000)
      kill(running.process.processIdentifier, SIGKILL)
      // A machine may be fast enough to finish; then there is nothing to see.
      guard running.wait().status == 128 + SIGKILL else {
        try FileManager.default.removeItem(atPath: directory.path(output))
        continue
      }
      let left = try names().filter { !before.contains($0) }
      #expect(left.count <= 1)
      #expect(left.allSatisfy { $0.hasPrefix("\(output).") && $0.hasSuffix(".partial") })
    }
    let outcome = try tool.run(arguments)
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(try names() == (before + [output]).sorted())
  }

  @Test func killedCommandsLeaveNothingUnderTheNameAndRunAgain() throws {
    let checkpoint = try SparseCheckpoint.autoencoder(in: directory)
    let convert = try Tool("sana-convert")
    let model = directory.path("model.sana")
    try killRepeatedly(
      convert, [checkpoint, "-o", model, "--compression", "none"], output: "model.sana")
    try killRepeatedly(
      try Tool("sana-quant"), [model, "--recipe", "w8a8", "-o", directory.path("small.sana")],
      output: "small.sana")
    try killRepeatedly(convert, ["export", model, "-o", directory.path("out")], output: "out")
  }
}
