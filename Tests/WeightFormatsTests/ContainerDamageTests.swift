import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// Files that are no longer what was written.
@Suite struct ContainerDamageTests {
  /// Opens a file and checks all of it.
  private static func check(_ bytes: Data, at url: URL) throws {
    try bytes.write(to: url)
    try ModelFile(path: url.path).verify()
  }

  private static let small = [
    ContainerSamples.tensor("int8", [3, 9], .int8PerChannel),
    ContainerSamples.tensor("smooth", [128], .f16, content: .constant),
  ]

  @Test func everyFlippedBitIsDetected() throws {
    try ContainerSamples.withFile(Self.small) { path in
      let url = URL(filePath: path)
      let original = try Data(contentsOf: url)
      try Self.check(original, at: url)
      for bit in 0..<original.count * 8 {
        var damaged = original
        damaged[bit / 8] ^= 1 << UInt8(bit % 8)
        #expect(throws: SanaError.self, "bit \(bit)") { try Self.check(damaged, at: url) }
      }
    }
  }

  @Test func everyTruncationIsDetectedOnOpening() throws {
    try ContainerSamples.withFile(Self.small) { path in
      let url = URL(filePath: path)
      let original = try Data(contentsOf: url)
      for count in 0..<original.count {
        try original.prefix(count).write(to: url)
        #expect(throws: SanaError.self, "\(count) bytes") { try ModelFile(path: path) }
      }
    }
  }

  @Test func appendedBytesAreDetectedOnOpening() throws {
    try ContainerSamples.withFile(Self.small) { path in
      let url = URL(filePath: path)
      try (Data(contentsOf: url) + [0]).write(to: url)
      let error = #expect(throws: SanaError.self) { try ModelFile(path: path) }
      #expect(error?.code == .corruptFile)
    }
  }

  @Test func aDamagedTensorIsNamedAndTheOthersStillLoad() throws {
    let tensors = [
      ContainerSamples.tensor("before", [300, 300], .f16),
      ContainerSamples.tensor("damaged", [4500, 1000], .int8PerChannel),
      ContainerSamples.tensor("after", [300, 300], .f16),
    ]
    try ContainerSamples.withFile(tensors) { path in
      let entry = try #require(try ModelFile(path: path).source(for: .transformer).entry("damaged"))
      let url = URL(filePath: path)
      var bytes = try Data(contentsOf: url)
      bytes[entry.values.chunks[3].offset + 5] ^= 1
      try bytes.write(to: url)

      let file = try ModelFile(path: path)
      let source = try file.source(for: .transformer)
      _ = try source.load("before")
      _ = try source.load("after")
      var values = [UInt8](repeating: 0, count: 1000)
      let reads: [() throws -> Void] = [
        { _ = try source.load("damaged") },
        { try file.verify() },
        {
          var scale: Float = 0
          try values.withUnsafeMutableBytes { values in
            try withUnsafeMutablePointer(to: &scale) { scale in
              try source.read(
                "damaged", rows: 3500..<3501, into: values, scales: .init(start: scale, count: 1))
            }
          }
        },
      ]
      for read in reads {
        let error = #expect(throws: SanaError.self) { try read() }
        #expect(error?.code == .corruptFile)
        #expect(error?.message.contains("'damaged'") == true)
        #expect(error?.message.contains("chunk 4 of 5") == true)
      }
    }
  }

  @Test func verifyReportsProgressUpToTheWholeFile() throws {
    try ContainerSamples.withFile(Self.small) { path in
      let file = try ModelFile(path: path)
      let seen = SeenProgress()
      try file.verify { done, total in seen.record(done, of: total) }
      #expect(seen.last == file.byteCount)
    }
  }
}

/// What a progress callback was told.
private final class SeenProgress: @unchecked Sendable {
  // Sendable: `verify` calls one callback at a time.
  private(set) var last = 0

  func record(_ done: Int, of total: Int) {
    #expect(done > last && done <= total)
    last = done
  }
}
