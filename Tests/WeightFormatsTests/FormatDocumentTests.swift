import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// `formats.md` says what the writer does.
@Suite struct FormatDocumentTests {
  /// The bytes of one of the document's examples, whose lines are an offset and up to 16 bytes.
  private static func documentedBytes(_ number: Int) throws -> [UInt8] {
    let document = Fixtures.directory.deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "formats.md")
    let lines = try String(contentsOf: document, encoding: .utf8).split(separator: "\n")
    let examples = lines.indices.filter { lines[$0] == "```hex" }
    try #require(number < examples.count)
    let begin = examples[number]
    var bytes: [UInt8] = []
    for line in lines[(begin + 1)...].prefix(while: { $0 != "```" }) {
      let fields = line.split(separator: " ")
      #expect(Int(try #require(fields.first), radix: 16) == bytes.count)
      for field in fields.dropFirst() { bytes.append(try #require(UInt8(field, radix: 16))) }
    }
    return bytes
  }

  private static func bytes<Element: BitwiseCopyable>(_ elements: [Element]) -> TensorBytes {
    TensorBytes(byteCount: elements.count * MemoryLayout<Element>.stride) { memory in
      elements.withUnsafeBytes { memory.copyMemory(from: $0) }
    }
  }

  /// The writer's file of these tensors is the document's example.
  private func expect(
    _ number: Int, _ tensors: [StoredTensor], metadata: MetadataValue,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    try withTemporaryDirectory { directory in
      let url = directory.url.appending(path: "example.sana")
      let writer = try ContainerWriter(path: url.path)
      try writer.beginComponent(.transformer, metadata: .object([]))
      for tensor in tensors { try writer.append(tensor) }
      try writer.finish(metadata: metadata)
      let written = try Array(Data(contentsOf: url))
      #expect(
        try written == Self.documentedBytes(number), "\(Self.listing(written))",
        sourceLocation: sourceLocation)
    }
  }

  /// As the document lists bytes.
  private static func listing(_ bytes: [UInt8]) -> String {
    func digits(_ value: Int, _ count: Int) -> String {
      let text = String(value, radix: 16)
      return String(repeating: "0", count: count - text.count) + text
    }
    return stride(from: 0, to: bytes.count, by: 16).map { begin in
      let line = bytes[begin..<min(begin + 16, bytes.count)]
      return digits(begin, 8) + "  " + line.map { digits(Int($0), 2) }.joined(separator: " ")
    }.joined(separator: "\n")
  }

  @Test func theWriterGivesTheBytesOfTheWorkedExample() throws {
    let tensor = StoredTensor(
      description: TensorDescription(
        name: "w", shape: [2, 3], encoding: .int8PerChannel, activations: .int8PerToken),
      values: Self.bytes([127, -64, 1, 0, 5, -127] as [Int8]),
      scales: Self.bytes([0.5, 0.25] as [Float]))
    try expect(0, [tensor], metadata: .object([.init("note", .string("example"))]))
  }

  @Test func theWriterGivesTheBytesOfTheSecondExample() throws {
    let compressed = StoredTensor(
      description: TensorDescription(name: "v", shape: [64], encoding: .f32),
      values: Self.bytes([Float](repeating: 1, count: 64)), scales: nil)
    let grouped = StoredTensor(
      description: TensorDescription(
        name: "g", shape: [1, 9], encoding: .int4Grouped(groupSize: 8)),
      values: Self.bytes([0x1F, 0x89, 0x5B, 0x6A, 0x8D] as [UInt8]),
      scales: Self.bytes([0.5, 2] as [Float]))
    try expect(1, [compressed, grouped], metadata: .object([]))
  }
}
