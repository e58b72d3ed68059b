import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct ContainerRoundTripTests {
  @Test func everyEncodingComesBackAsItWasWritten() throws {
    try ContainerSamples.withFile(ContainerSamples.everyEncoding) { path in
      let file = try ModelFile(path: path)
      let source = try file.source(for: .transformer)
      #expect(source.component.tensors.count == ContainerSamples.everyEncoding.count)
      for tensor in ContainerSamples.everyEncoding {
        let name = tensor.description.name
        #expect(source.description(of: name) == tensor.description)
        let loaded = try source.load(name)
        #expect(loaded.description == tensor.description)
        #expect(loaded.values.array == tensor.values.array, "\(name)")
        #expect(loaded.scales?.array == tensor.scales?.array, "\(name)")
      }
      try file.verify()
    }
  }

  @Test func metadataOfFileComponentAndTensorComesBack() throws {
    try ContainerSamples.withFile([ContainerSamples.tensor("w", [2], .f32)]) { path in
      let file = try ModelFile(path: path)
      #expect(file.metadata == ContainerSamples.metadata)
      let component = try #require(file.component(.transformer))
      #expect(component.metadata == ContainerSamples.metadata)
      #expect(component.tensors[0].metadata["of"]?.stringValue == "w")
      #expect(file.version == .current)
    }
  }

  @Test func componentsAreKeptApart() throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("model.sana")
      let writer = try ContainerWriter(path: path)
      for kind in ComponentKind.allCases {
        try writer.beginComponent(kind, metadata: .object([]))
        try writer.append(ContainerSamples.tensor("same name", [kind.rawValue.count], .f16))
      }
      try writer.finish(metadata: .object([]))
      let file = try ModelFile(path: path)
      #expect(file.components.map(\.kind) == ComponentKind.allCases)
      for kind in ComponentKind.allCases {
        let source = try file.source(for: kind)
        #expect(source.description(of: "same name")?.shape == [kind.rawValue.count])
      }
    }
  }

  @Test func largeTensorsAreCutAndAlignedToPages() throws {
    // 4500 rows of 1000 bytes: several chunks, the last one short.
    let noise = ContainerSamples.tensor("noise", [4500, 1000], .int8PerChannel)
    let smooth = ContainerSamples.tensor("smooth", [4500, 500], .f16, content: .constant)
    try ContainerSamples.withFile([noise, smooth]) { path in
      let source = try ModelFile(path: path).source(for: .transformer)
      let entry = try #require(source.entry("noise"))
      #expect(entry.values.chunks.count == 5)
      #expect(entry.values.isRaw)
      #expect(entry.values.offset % 4096 == 0)
      let loaded = try source.load("noise")
      #expect(Int(bitPattern: loaded.values.bytes.baseAddress) % 4096 == 0)
      #expect(loaded.values.array == noise.values.array)

      let compressed = try #require(source.entry("smooth"))
      #expect(compressed.storedByteCount < compressed.rawByteCount / 50)
      #expect(try source.load("smooth").values.array == smooth.values.array)
    }
  }

  @Test(arguments: [0..<4500, 0..<1, 4499..<4500, 1040..<1060, 17..<3999, 20..<20])
  func rowsAreReadAcrossChunks(_ rows: Range<Int>) throws {
    let tensors = [
      ContainerSamples.tensor("noise", [4500, 1000], .int8PerChannel),
      ContainerSamples.tensor("smooth", [4500, 500], .f16, content: .constant),
      ContainerSamples.tensor("grouped", [4500, 1000], .int8Grouped(groupSize: 128)),
    ]
    try ContainerSamples.withFile(tensors) { path in
      let source = try ModelFile(path: path).source(for: .transformer)
      for tensor in tensors {
        let description = tensor.description
        var values = [UInt8](
          repeating: 0, count: description.valueByteCount / description.rows * rows.count)
        let scalesPerRow = description.scaleCount / description.rows
        var scales = [Float](repeating: 0, count: scalesPerRow * rows.count)
        try values.withUnsafeMutableBytes { values in
          try scales.withUnsafeMutableBufferPointer { scales in
            try source.read(description.name, rows: rows, into: values, scales: scales)
          }
        }
        #expect(
          values == Array(tensor.values.array[rows.lowerBound * 1000..<rows.upperBound * 1000]))
        let bytes = scales.withUnsafeBytes { Array($0) }
        let perRow = scalesPerRow * 4
        #expect(
          bytes
            == Array(
              (tensor.scales?.array ?? [])[rows.lowerBound * perRow..<rows.upperBound * perRow]))
      }
    }
  }

  @Test func rowsOutsideTheTensorAreRefused() throws {
    try ContainerSamples.withFile([ContainerSamples.tensor("w", [4, 8], .f32)]) { path in
      let source = try ModelFile(path: path).source(for: .transformer)
      var memory = [UInt8](repeating: 0, count: 64)
      let error = #expect(throws: SanaError.self) {
        try memory.withUnsafeMutableBytes {
          try source.read("w", rows: 3..<5, into: $0, scales: .init(start: nil, count: 0))
        }
      }
      #expect(error?.code == .invalidArgument)
    }
  }

  @Test func aRowLongerThanAChunkIsCut() throws {
    let tensor = ContainerSamples.tensor("long", [2, 700_001], .f32)
    try ContainerSamples.withFile([tensor]) { path in
      let source = try ModelFile(path: path).source(for: .transformer)
      #expect(source.entry("long")?.values.chunks.count == 6)
      #expect(try source.load("long").values.array == tensor.values.array)
    }
  }

  @Test func loadedTensorsOutliveTheirFile() throws {
    let tensor = ContainerSamples.tensor("w", [300, 300], .f32)
    let loaded = try ContainerSamples.withFile([tensor]) { path in
      try ModelFile(path: path).source(for: .transformer).load("w")
    }
    #expect(loaded.values.array == tensor.values.array)
  }

  @Test func theSameTensorsGiveTheSameBytesAtAnyDepth() throws {
    let tensors =
      ContainerSamples.everyEncoding + [
        ContainerSamples.tensor("noise", [4500, 1000], .int8PerChannel),
        ContainerSamples.tensor("large smooth", [4500, 500], .f16, content: .constant),
      ]
    try withTemporaryDirectory { directory in
      let files = try [1, 2, 16].map { depth in
        let url = directory.url.appending(path: "\(depth).sana")
        try ContainerSamples.write(tensors, to: url.path, depth: depth)
        return try Data(contentsOf: url)
      }
      #expect(files[0] == files[1])
      #expect(files[0] == files[2])
    }
  }
}
