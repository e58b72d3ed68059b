import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct ModelComparisonTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private func write(
    _ tensors: [StoredTensor], to name: String, metadata: MetadataValue = .object([])
  ) throws -> ComparedModel {
    let path = directory.path(name)
    let writer = try ContainerWriter(path: path)
    try writer.beginComponent(.transformer, metadata: .object([]))
    for tensor in tensors { try writer.append(tensor) }
    try writer.finish(metadata: metadata)
    return try ComparedModel(path: path)
  }

  private func tensor(_ name: String, _ shape: [Int], _ numbers: [Float]) -> StoredTensor {
    StoredTensor(
      description: TensorDescription(name: name, shape: shape, encoding: .f32),
      values: TensorBytes(byteCount: numbers.count * 4) { memory in
        numbers.withUnsafeBytes { memory.copyMemory(from: $0) }
      })
  }

  private func numbers(_ count: Int, seed: UInt64 = 3) -> [Float] {
    var random = SplitMix(seed: seed)
    return (0..<count).map { _ in Float.random(in: -1...1, using: &random) }
  }

  @Test(arguments: ["sana-tiny", "sana15-tiny", "sprint-tiny", "lite-tiny"])
  func aConversionThatKeepsThePrecisionIsItsCheckpoint(_ name: String) throws {
    let kinds: Set<ComponentKind>? =
      switch name {
      case "sprint-tiny": [.transformer]
      case "lite-tiny": [.autoencoder]
      default: nil
      }
    let folder = Checkpoints.path(name)
    let held =
      kinds
      ?? Set(
        ComponentKind.allCases.filter {
          FileManager.default.fileExists(atPath: "\(folder)/\($0.officialFolder)")
        })
    let path = directory.path("model.sana")
    try CheckpointConversion(OfficialCheckpoint(path: folder, components: held)).write(to: path)
    let comparison = try ModelComparison(
      ComparedModel(path: path, components: held), ComparedModel(path: folder, components: held))
    #expect(comparison.isSame)
    #expect(
      comparison.tensors.count
        == (try ModelFile(path: path)).components
        .reduce(0) { $0 + $1.tensors.count })
    #expect(comparison.settings.isEmpty && comparison.remarks.isEmpty)
  }

  @Test func equalChecksumsAreNotRead() throws {
    let samples = ContainerSamples.everyEncoding
    let first = try write(samples, to: "a.sana")
    let second = try write(samples, to: "b.sana")
    // What is not read cannot be found to be damaged.
    let entry = try #require(try ModelFile(path: second.path).components.first?.tensors.first)
    let handle = try FileHandle(forUpdating: URL(filePath: second.path))
    try handle.seek(toOffset: UInt64(entry.values.offset))
    try handle.write(contentsOf: Data([0xAA, 0x55, 0xAA]))
    try handle.close()
    let comparison = try ModelComparison(first, second)
    #expect(comparison.isSame)
    for tensor in comparison.tensors {
      guard case .identical(unread: true) = tensor.outcome else {
        Issue.record("\(tensor.name) was read")
        continue
      }
    }
  }

  /// The numbers of a tensor by plain loops over its definition in `formats.md`.
  private func decoded(_ tensor: StoredTensor) -> [Float] {
    let description = tensor.description
    let scales = tensor.scales.map { Array($0.bytes.bindMemory(to: Float.self)) } ?? []
    return scales.withUnsafeBufferPointer {
      description.decode(tensor.values, scales: $0, rows: description.rows)?.withFloats(Array.init)
    } ?? []
  }

  @Test func differencesFollowTheirDefinitions() throws {
    let shape = [9, 33]
    let samples = [
      tensor("x", shape, numbers(9 * 33)),
      ContainerSamples.tensor("x", shape, .int4Grouped(groupSize: 16)),
      ContainerSamples.tensor("x", shape, .int8PerChannel),
    ].map { sample in
      // Scales of noise would hold NaN.
      guard sample.scales != nil else { return sample }
      let scales = numbers(sample.description.scaleCount)
      return StoredTensor(
        description: sample.description, values: sample.values,
        scales: TensorBytes(byteCount: scales.count * 4) { memory in
          scales.withUnsafeBytes { memory.copyMemory(from: $0) }
        })
    }
    for (index, first) in samples.enumerated() {
      for (other, second) in samples.enumerated() where index != other {
        let found = try #require(
          try ModelComparison(write([first], to: "a.sana"), write([second], to: "b.sana"))
            .tensors.first)
        guard case .different(let statistics) = found.outcome else {
          Issue.record("\(first.description.encoding) is not \(second.description.encoding)")
          continue
        }
        let (x, y) = (decoded(first), decoded(second))
        let signal = x.reduce(0.0) { $0 + Double($1) * Double($1) }
        let noise = zip(x, y).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
        #expect(statistics.changed == zip(x, y).count { $0 != $1 })
        #expect(statistics.largestError == zip(x, y).map { abs($0 - $1) }.max())
        #expect(abs(statistics.signalToNoise - 10 * log10(signal / noise)) < 1e-9)
        #expect(!found.hasSameEncoding && found.hasSameShape && !found.isSame)
      }
    }
  }

  @Test func theRatioCountsTheBandsThatAreTheSame() throws {
    // Three bands of 2^20 numbers and a short one, of which the second differs in one number.
    let columns = 1 << 10
    let rows = 3 * 1024 + 5
    let original = numbers(rows * columns)
    var changed = original
    changed[1024 * columns + 17] += 0.5
    let comparison = try ModelComparison(
      write([tensor("x", [rows, columns], original)], to: "a.sana"),
      write([tensor("x", [rows, columns], changed)], to: "b.sana"))
    guard case .different(let statistics) = comparison.tensors.first?.outcome else {
      Issue.record("nothing found")
      return
    }
    #expect(statistics.changed == 1)
    #expect(statistics.elementCount == rows * columns)
    let signal = original.reduce(0.0) { $0 + Double($1) * Double($1) }
    let error = Double(changed[1024 * columns + 17]) - Double(original[1024 * columns + 17])
    #expect(abs(statistics.signalToNoise - 10 * log10(signal / (error * error))) < 1e-9)
  }

  @Test func numbersThatAreNotFiniteAreNoSmallError() throws {
    for (x, y) in [(Float.nan, Float(1)), (1, .nan), (.infinity, .infinity.nextDown)] {
      let comparison = try ModelComparison(
        write([tensor("x", [2], [2, x])], to: "a.sana"),
        write([tensor("x", [2], [2, y])], to: "b.sana"))
      guard case .different(let statistics) = comparison.tensors.first?.outcome else {
        Issue.record("nothing found")
        continue
      }
      #expect(statistics.changed == 1)
      #expect(!statistics.largestError.isFinite)
    }
    // The same bits are the same.
    let zeros = try ModelComparison(
      write([tensor("x", [2], [.nan, 0])], to: "a.sana"),
      write([tensor("x", [2], [.nan, -0.0])], to: "b.sana"))
    guard case .different(let statistics) = zeros.tensors.first?.outcome else {
      Issue.record("the sign of zero is lost")
      return
    }
    #expect(statistics.changed == 1)
  }

  @Test func whatCannotBeComparedIsSaid() throws {
    let sample = tensor("x", [4, 6], numbers(24))
    var quantizing = sample.description
    quantizing.activations = .int8PerToken
    let first = try write(
      [
        sample, tensor("reshaped", [4, 6], numbers(24)), tensor("ours", [1], [1]),
        ContainerSamples.tensor("text", [40], .plain(.u8)),
      ], to: "a.sana")
    let second = try write(
      [
        StoredTensor(description: quantizing, values: sample.values),
        tensor("reshaped", [6, 4], numbers(24)), tensor("theirs", [1], [1]),
        ContainerSamples.tensor("text", [40], .plain(.u8), content: .constant),
      ], to: "b.sana")
    let comparison = try ModelComparison(first, second)
    #expect(comparison.tensors.map(\.name) == ["x", "reshaped", "ours", "text", "theirs"])
    #expect(comparison.tensors[0].hasSameValues && !comparison.tensors[0].isSame)
    guard case .incomparable = comparison.tensors[1].outcome,
      case .onlyInFirst = comparison.tensors[2].outcome,
      case .differentBytes(let count) = comparison.tensors[3].outcome,
      case .onlyInSecond = comparison.tensors[4].outcome
    else {
      Issue.record("\(comparison.tensors.map(\.outcome))")
      return
    }
    let text = ContainerSamples.tensor("text", [40], .plain(.u8))
    #expect(count == text.values.bytes.count { $0 != 0x3C })
  }

  @Test func defaultsThatAreSpelledOutDoNotCount() throws {
    let folder = try directory.copy(Checkpoints.url("sana-tiny"), to: "sana-tiny") + "/transformer"
    let path = folder + "/config.json"
    let first = directory.path("model.sana")
    try CheckpointConversion(OfficialCheckpoint(path: folder)).write(to: first)
    let document = try JSONParser.parse(file: path)
    func rewrite(_ member: MetadataValue.Member) throws -> ModelComparison {
      let members = (document.members ?? []).filter { $0.name != member.name } + [member]
      try Data(JSONWriter.write(.object(members))).write(to: URL(filePath: path))
      return try ModelComparison(ComparedModel(path: first), ComparedModel(path: folder))
    }
    var comparison = try rewrite(.init("guidance_embeds", false))
    #expect(comparison.isSame)
    #expect(comparison.remarks.map(\.path) == ["transformer.guidance_embeds"])
    comparison = try rewrite(.init("sample_size", 16))
    #expect(!comparison.isSame)
    #expect(comparison.settings.map(\.path) == ["transformer.sample_size"])
  }

  @Test func treesDifferInTheirLeaves() {
    let first: MetadataValue = [
      "same": 1, "number": 1, "list": [1, ["x": "a"]], "longer": [1], "gone": nil,
    ]
    let second: MetadataValue = [
      "same": 1.0, "number": 2.5, "list": [1, ["x": "b"]], "longer": [1, 2], "new": true,
    ]
    let found = MetadataDifference.between(first, second)
    #expect(found.map(\.path) == ["number", "list[1].x", "longer", "gone", "new"])
    #expect(found[3].first == .null && found[3].second == nil)
    #expect(MetadataDifference.between(["x": .number(.nan)], ["x": .number(.nan)]).isEmpty)
  }

  @Test func damageIsAnError() throws {
    let first = try write([tensor("x", [64, 64], numbers(4096))], to: "a.sana")
    let second = try write([tensor("x", [64, 64], numbers(4096, seed: 4))], to: "b.sana")
    let entry = try #require(try ModelFile(path: second.path).components.first?.tensors.first)
    let handle = try FileHandle(forUpdating: URL(filePath: second.path))
    try handle.seek(toOffset: UInt64(entry.values.offset))
    try handle.write(contentsOf: Data([0xAA, 0x55, 0xAA]))
    try handle.close()
    let error = #expect(throws: SanaError.self) { try ModelComparison(first, second) }
    #expect(error?.code == .corruptFile)
  }
}
