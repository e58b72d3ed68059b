import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// Single-bit flips and truncations of the demo's `w8a8` file: `check` finds every one, and so does whoever loads what was hit.
///
/// A few by default. `SANA_DAMAGE=flips,truncations,runs` sets how many are tried in the process, and how many of each with the
/// tools: `SANA_DAMAGE=10000,1000,200 swift test -c release --filter DamagedModel`.
@Suite struct DamagedModelTests {
  private static let counts: (flips: Int, truncations: Int, runs: Int) = {
    let numbers = (ProcessInfo.processInfo.environment["SANA_DAMAGE"] ?? "").split(separator: ",")
      .compactMap { Int($0) }
    return numbers.count == 3 ? (numbers[0], numbers[1], numbers[2]) : (150, 50, 3)
  }()

  private let directory: TestDirectory
  private let original: [UInt8]

  init() throws {
    directory = try TestDirectory()
    let plain = directory.path("plain.sana")
    try CheckpointConversion(OfficialCheckpoint(path: Checkpoints.demo)).write(to: plain)
    let path = directory.path("model.sana")
    let outcome = try Tool("sana-quant").run(plain, "--recipe", "w8a8", "-o", path)
    try #require(outcome.status == 0, "\(outcome.error)")
    original = try [UInt8](Data(contentsOf: URL(filePath: path)))
  }

  private func open(_ contents: [UInt8]) throws -> ModelFile {
    try ModelFile(MappedFile(contents: contents, path: "damaged.sana"))
  }

  /// The tensor whose bytes are hit, or `nil` where opening must find the damage.
  private func tensor(at offset: Int, of file: ModelFile) -> (kind: ComponentKind, name: String)? {
    for component in file.components {
      for tensor in component.tensors {
        for plane in [tensor.values] + (tensor.scales.map { [$0] } ?? [])
        where (plane.offset..<plane.offset + plane.storedByteCount).contains(offset) {
          return component.kind.map { ($0, tensor.name) }
        }
      }
    }
    return nil
  }

  @Test func everyFlippedBitIsFoundByCheckAndBeforeItIsComputedWith() throws {
    let intact = try open(original)
    try intact.verify()
    var random = SplitMix(seed: 2026)
    var onOpening = 0
    for _ in 0..<Self.counts.flips {
      let bit = Int.random(in: 0..<original.count * 8, using: &random)
      var damaged = original
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      let hit = tensor(at: bit / 8, of: intact)
      guard let file = try? open(damaged) else {
        #expect(hit == nil, "bit \(bit): opening reads what belongs to a tensor")
        onOpening += 1
        continue
      }
      let (kind, name) = try #require(hit, "bit \(bit) is not found on opening")
      let found = #expect(throws: SanaError.self, "bit \(bit), check") { try file.verify() }
      #expect(found?.code == .corruptFile && found?.message.contains("'\(name)'") == true)
      let source = try file.source(for: kind)
      let loaded = #expect(throws: SanaError.self, "bit \(bit), load") { try source.load(name) }
      #expect(loaded?.code == .corruptFile && loaded?.message.contains("'\(name)'") == true)
    }
    print("\(Self.counts.flips) flips, \(onOpening) of them found on opening")
  }

  @Test func everyTruncationIsFoundOnOpening() throws {
    var random = SplitMix(seed: 7)
    for _ in 0..<Self.counts.truncations {
      let count = Int.random(in: 0..<original.count, using: &random)
      let error = #expect(throws: SanaError.self, "\(count) bytes") {
        try open(Array(original.prefix(count)))
      }
      #expect(error?.code == .corruptFile || count < 8)
    }
  }

  /// Flips and truncations with the tools: one line that names the file, or, where the picture needs none of what was hit, the very
  /// same picture.
  @Test func theToolsFindThemToo() throws {
    let check = try Tool("sana-convert")
    let run = try Tool("sana-run")
    func draw(_ name: String) throws -> (outcome: Tool.Outcome, picture: Data?) {
      let picture = directory.path("\(name)/out.png")
      let outcome = try run.run(
        directory.path("\(name)/model.sana"), "--prompt", "a red circle", "-o", picture,
        "--steps", "1", "--width", "64", "--height", "64", "--no-binning")
      return (outcome, try? Data(contentsOf: URL(filePath: picture)))
    }
    try directory.write(original, to: "intact/model.sana")
    let intact = try #require(try draw("intact").picture)
    var random = SplitMix(seed: 11)
    var unused = 0
    for index in 0..<2 * Self.counts.runs {
      var damaged = original
      if index % 2 == 0 {
        let bit = Int.random(in: 0..<original.count * 8, using: &random)
        damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      } else {
        damaged.removeLast(Int.random(in: 1...original.count, using: &random))
      }
      let path = try directory.write(damaged, to: "damaged/model.sana")
      let checked = try check.run("check", path)
      expectOneLine(checked, naming: path)
      let (outcome, picture) = try draw("damaged")
      if index % 2 == 0, outcome.status == 0 {
        unused += 1
        #expect(picture == intact, "file \(index): a picture from damaged weights")
        try FileManager.default.removeItem(atPath: directory.path("damaged/out.png"))
      } else {
        expectOneLine(outcome, naming: path)
        #expect(picture == nil)
      }
    }
    print("\(2 * Self.counts.runs) damaged files, \(unused) hit where no picture is made of")
  }

  private func expectOneLine(_ outcome: Tool.Outcome, naming path: String) {
    #expect(outcome.status == 1, "\(outcome.error)")
    #expect(outcome.error.hasPrefix("error: \(path): "), "\(outcome.error)")
    #expect(outcome.error.count { $0 == "\n" } == 1, "\(outcome.error)")
  }
}
