import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct ContainerWriterTests {
  private func names(in directory: TestDirectory) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory.url.path).sorted()
  }

  @Test func aDroppedWriterLeavesNothingBehind() throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("model.sana")
      do {
        let writer = try ContainerWriter(path: path)
        try writer.beginComponent(.transformer, metadata: .object([]))
        try writer.append(ContainerSamples.tensor("w", [4500, 1000], .int8PerChannel))
      }
      #expect(try names(in: directory).isEmpty)
    }
  }

  @Test func aFailingProducerEndsTheWritingAndLeavesTheOldFile() throws {
    try withTemporaryDirectory { directory in
      let url = directory.url.appending(path: "model.sana")
      try Data("old".utf8).write(to: url)
      let failure = SanaError(.cancelled, "enough", remedy: "none")
      let error = #expect(throws: SanaError.self) {
        let writer = try ContainerWriter(path: url.path)
        try writer.beginComponent(.transformer, metadata: .object([]))
        let description = TensorDescription(name: "w", shape: [9000, 1000], encoding: .f32)
        try writer.append(description) { band in
          if band.rows.contains(5000) { throw failure }
        }
        try writer.finish(metadata: .object([]))
      }
      #expect(error?.code == .cancelled)
      #expect(try names(in: directory) == ["model.sana"])
      #expect(try Data(contentsOf: url) == Data("old".utf8))
    }
  }

  @Test func anExistingFileIsReplacedWhileItIsRead() throws {
    let old = ContainerSamples.tensor("old", [300, 300], .f32)
    try ContainerSamples.withFile([old]) { path in
      let source = try ModelFile(path: path).source(for: .transformer)
      try ContainerSamples.write([ContainerSamples.tensor("new", [2], .f32)], to: path)
      #expect(try source.load("old").values.array == old.values.array)
      let new = try ModelFile(path: path)
      #expect(new.component(.transformer)?.tensors.map(\.name) == ["new"])
    }
  }

  @Test func bandsTogetherCoverEveryRowOnce() throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("model.sana")
      let writer = try ContainerWriter(path: path)
      try writer.beginComponent(.textEncoder, metadata: .object([]))
      let description = TensorDescription(
        name: "counted", shape: [5000, 300], encoding: .int8PerChannel)
      try writer.append(description, metadata: { .object([.init("made", .bool(true))]) }) { band in
        #expect(band.values.count == band.rows.count * 300)
        #expect(band.scales.count == band.rows.count)
        for (index, row) in band.rows.enumerated() {
          band.scales[index] = Float(row)
          for column in 0..<300 {
            band.values[index * 300 + column] = UInt8(truncatingIfNeeded: row &+ column)
          }
        }
      }
      try writer.finish(metadata: .object([]))
      let source = try ModelFile(path: path).source(for: .textEncoder)
      let loaded = try source.load("counted")
      let expected = (0..<5000).flatMap { row in
        (0..<300).map { UInt8(truncatingIfNeeded: row &+ $0) }
      }
      #expect(loaded.values.array == expected)
      let scales = loaded.scales?.bytes.bindMemory(to: Float.self)
      #expect(scales.map(Array.init) == (0..<5000).map(Float.init))
      #expect(source.entry("counted")?.metadata["made"]?.boolValue == true)
    }
  }

  @Test func whatTheFormatCannotHoldIsRefused() throws {
    try withTemporaryDirectory { directory in
      let writer = try ContainerWriter(path: directory.path("model.sana"))
      let tensor = ContainerSamples.tensor("w", [2], .f32)
      func expectRefusal(_ words: String, _ body: () throws -> Void) {
        let error = #expect(throws: SanaError.self) { try body() }
        #expect(error?.code == .invalidArgument)
        #expect(error?.description.contains(words) == true)
      }
      expectRefusal("belongs to no component") { try writer.append(tensor) }
      try writer.beginComponent(.transformer, metadata: .object([]))
      try writer.append(tensor)
      expectRefusal("comes twice") { try writer.append(tensor) }
      expectRefusal("comes twice") {
        try writer.beginComponent(.transformer, metadata: .object([]))
      }
      expectRefusal("groups of 12") {
        try writer.append(
          TensorDescription(name: "g", shape: [2, 24], encoding: .int8Grouped(groupSize: 12))
        ) { _ in }
      }
      expectRefusal("cannot be written") { try writer.finish(metadata: .null) }
    }
  }

  @Test func placesThatCannotBeWrittenAreRefusedAtOnce() throws {
    try withTemporaryDirectory { directory in
      for path in [directory.url.path, directory.url.path + "/missing/model.sana", "/dev/null"] {
        let error = #expect(throws: SanaError.self) { try ContainerWriter(path: path) }
        #expect(error?.code == .fileAccess)
      }
      let left = try names(in: directory)
      #expect(left.isEmpty)
    }
  }
}
