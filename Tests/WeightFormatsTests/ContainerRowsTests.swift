import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// Rows of a tensor, read without the rest of it.
@Suite struct ContainerRowsTests {
  /// Small rows, many in a chunk; compressed ones; and rows longer than a chunk.
  private static let tensors = [
    ContainerSamples.tensor("codes", [4500, 1000], .int8PerChannel),
    ContainerSamples.tensor("smooth", [4500, 500], .f16, content: .constant),
    ContainerSamples.tensor("wide", [3, 700_000], .f16),
    ContainerSamples.tensor("packed", [70, 33], .int4Grouped(groupSize: 16)),
  ]

  @Test func rowsAreThoseOfTheWholeTensor() throws {
    try ContainerSamples.withFile(Self.tensors) { path in
      let source = try ModelFile(path: path).source(for: .transformer)
      var random = SplitMix(seed: 11)
      for tensor in Self.tensors {
        let name = tensor.description.name
        for count in [0, 1, 2, 5, 300] {
          let rows = (0..<count).map { _ in
            Int.random(in: 0..<tensor.description.rows, using: &random)
          }
          let loaded = try source.loadRows(rows, of: name)
          let expected = tensor.picking(rows)
          #expect(loaded.description == expected.description)
          #expect(loaded.description.shape[0] == count)
          #expect(loaded.values.array == expected.values.array, "\(name) \(rows)")
          #expect(loaded.scales?.array == expected.scales?.array, "\(name) \(rows)")
        }
      }
    }
  }

  @Test(arguments: [[-1], [0, 4500]])
  func rowsThatTheTensorHasNotAreRefused(rows: [Int]) throws {
    try ContainerSamples.withFile(Self.tensors) { path in
      let source = try ModelFile(path: path).source(for: .transformer)
      let error = #expect(throws: SanaError.self) { try source.loadRows(rows, of: "codes") }
      #expect(error?.code == .invalidArgument)
    }
  }

  @Test func damageIsFoundInTheChunksThatAreRead() throws {
    try ContainerSamples.withFile(Self.tensors) { path in
      let entry = try #require(ModelFile(path: path).source(for: .transformer).entry("codes"))
      let url = URL(filePath: path)
      var bytes = try Data(contentsOf: url)
      bytes[entry.values.chunks[2].offset + 17] ^= 1
      try bytes.write(to: url)
      let source = try ModelFile(path: path).source(for: .transformer)
      let firstRow = entry.values.chunks[2].rawOffset / 1000
      let error = #expect(throws: SanaError.self) {
        try source.loadRows([0, firstRow + 1], of: "codes")
      }
      #expect(error?.code == .corruptFile)
      #expect(throws: Never.self) { try source.loadRows([0, firstRow - 2], of: "codes") }
    }
  }
}
