import Foundation
import TestSupport
import Testing
import WeightFormats

/// `formats.md` says what the writer does.
@Suite struct FormatDocumentTests {
  /// The bytes of the document's example, whose lines are an offset and up to 16 bytes.
  private static func documentedBytes() throws -> [UInt8] {
    let document = Fixtures.directory.deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "formats.md")
    let lines = try String(contentsOf: document, encoding: .utf8).split(separator: "\n")
    let begin = try #require(lines.firstIndex(of: "```hex"))
    var bytes: [UInt8] = []
    for line in lines[(begin + 1)...].prefix(while: { $0 != "```" }) {
      let fields = line.split(separator: " ")
      #expect(Int(try #require(fields.first), radix: 16) == bytes.count)
      for field in fields.dropFirst() { bytes.append(try #require(UInt8(field, radix: 16))) }
    }
    return bytes
  }

  @Test func theWriterGivesTheBytesOfTheWorkedExample() throws {
    let codes: [Int8] = [127, -64, 1, 0, 5, -127]
    let scales: [Float] = [0.5, 0.25]
    let tensor = StoredTensor(
      description: TensorDescription(
        name: "w", shape: [2, 3], encoding: .int8PerChannel, activations: .int8PerToken),
      values: TensorBytes(byteCount: 6) { memory in
        codes.withUnsafeBytes { memory.copyMemory(from: $0) }
      },
      scales: TensorBytes(byteCount: 8) { memory in
        scales.withUnsafeBytes { memory.copyMemory(from: $0) }
      })
    try withTemporaryDirectory { directory in
      let url = directory.appending(path: "example.sana")
      let writer = try ContainerWriter(path: url.path)
      try writer.beginComponent(.transformer, metadata: .object([]))
      try writer.append(tensor)
      try writer.finish(metadata: .object([.init("note", .string("example"))]))
      #expect(try Array(Data(contentsOf: url)) == Self.documentedBytes())
    }
  }
}
