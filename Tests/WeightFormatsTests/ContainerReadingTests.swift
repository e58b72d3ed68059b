import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// Tensors read into memory of the caller's, by threads of the caller's.
@Suite struct ContainerReadingTests {
  /// Planes of several chunks, raw and compressed, and scales of several chunks.
  private static let long = [
    ContainerSamples.tensor("codes", [4500, 1000], .int8PerChannel),
    ContainerSamples.tensor("flat", [4500, 500], .f16, content: .constant),
    ContainerSamples.tensor("wide", [3, 700_000], .f16),
    ContainerSamples.tensor("scales", [3000, 1600], .int4Grouped(groupSize: 8)),
  ]

  private static let runners: [any LoopRunner & Sendable] = [
    SerialLoops(), BackwardLoops(), ProcessorLoops(workers: 3),
  ]

  /// What stands before and behind the memory that is read into.
  private static let guardByteCount = 64

  /// Reads a tensor into memory that holds something else, and checks that nothing around it is
  /// written.
  private static func read(
    _ name: String, of source: any WeightSource, on loops: any LoopRunner
  ) throws -> (values: [UInt8], scales: [UInt8]) {
    let description = try #require(source.description(of: name))
    var values = [UInt8](
      repeating: 0xA5, count: description.valueByteCount + 2 * guardByteCount)
    var scales = [Float](repeating: -7, count: description.scaleCount + 2)
    try values.withUnsafeMutableBytes { values in
      try scales.withUnsafeMutableBufferPointer { scales in
        try source.read(
          name,
          into: .init(rebasing: values[guardByteCount..<values.count - guardByteCount]),
          scales: .init(rebasing: scales[1..<scales.count - 1]), on: loops)
      }
    }
    #expect(
      (values.prefix(guardByteCount) + values.suffix(guardByteCount)).allSatisfy { $0 == 0xA5 })
    #expect(scales.first == -7 && scales.last == -7)
    return (
      Array(values.dropFirst(guardByteCount).dropLast(guardByteCount)),
      scales.dropFirst().dropLast().flatMap { withUnsafeBytes(of: $0) { Array($0) } }
    )
  }

  @Test(arguments: ContainerCompression.allCases)
  func whatIsReadIsWhatIsLoaded(compression: ContainerCompression) throws {
    let tensors = ContainerSamples.everyEncoding + Self.long
    try ContainerSamples.withFile(tensors, compression: compression) { path in
      let source = try ModelFile(path: path).source(for: .transformer)
      for tensor in tensors {
        let name = tensor.description.name
        for loops in Self.runners {
          let read = try Self.read(name, of: source, on: loops)
          #expect(read.values == tensor.values.array, "\(name) on \(loops)")
          #expect(read.scales == tensor.scales?.array ?? [], "\(name) on \(loops)")
        }
      }
    }
  }

  /// Chunks of sizes that this writer does not make, in every form.
  @Test func chunksOfAnySizeAndFormAreRead() throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("model.sana")
      var container = HandmadeContainer()
      container.features = 3
      var chunks: [HandmadeContainer.Chunk] = []
      var expected: [UInt8] = []
      for (number, size) in [1, 24, 700, 32, 3].enumerated() {
        let raw = (0..<size).map { UInt8(truncatingIfNeeded: $0 * 5 + number) }
        expected += raw
        chunks += [.init(stored: raw, rawByteCount: UInt32(size))]
      }
      // One literal, repeated, and five more.
      expected += [UInt8](repeating: 9, count: 19) + Array(1...5)
      chunks += [.init(stored: [0x1E, 9, 1, 0, 0x50, 1, 2, 3, 4, 5], rawByteCount: 24, codec: 1)]
      // Zeros, shuffled in any way, are zeros.
      expected += [UInt8](repeating: 0, count: 88)
      chunks += [
        .init(
          stored: [UInt8](repeating: 0, count: 64), rawByteCount: 64, filter: 1,
          elementByteCount: 4),
        .init(
          stored: [0x1E, 0, 1, 0, 0x50, 0, 0, 0, 0, 0], rawByteCount: 24, filter: 1,
          elementByteCount: 2, codec: 1),
      ]
      container.tensors[0].shape = [UInt64(expected.count)]
      container.tensors[0].encoding = 7
      container.tensors[0].parameter = 5
      container.tensors[0].planes = [.init(chunks: chunks)]
      try container.bytes.write(to: URL(filePath: path))
      let source = try ModelFile(path: path).source(for: .transformer)
      for loops in Self.runners {
        #expect(try Self.read("w", of: source, on: loops).values == expected)
      }
      #expect(try source.load("w").values.array == expected)
    }
  }

  @Test func sourcesThatOnlyLoadCopy() throws {
    let tensors = ContainerSamples.everyEncoding
    let source = MemorySource(tensors)
    for tensor in tensors {
      let read = try Self.read(tensor.description.name, of: source, on: SerialLoops())
      #expect(read.values == tensor.values.array)
      #expect(read.scales == tensor.scales?.array ?? [])
    }
  }

  @Test func damageIsReportedAsByLoading() throws {
    try ContainerSamples.withFile(Self.long) { path in
      let url = URL(filePath: path)
      let original = try Data(contentsOf: url)
      for tensor in Self.long {
        let name = tensor.description.name
        let entry = try #require(ModelFile(path: path).source(for: .transformer).entry(name))
        for plane in [entry.values, entry.scales].compactMap({ $0 }) where plane.rawByteCount > 0 {
          // Two damaged chunks: the first is reported, however the loops run.
          var damaged = original
          damaged[try #require(plane.chunks.last).offset + 1] ^= 4
          damaged[plane.chunks[plane.chunks.count / 2].offset + 3] ^= 1
          try damaged.write(to: url)
          let source = try ModelFile(path: path).source(for: .transformer)
          let loaded = #expect(throws: SanaError.self) { try source.load(name) }
          let serial = #expect(throws: SanaError.self) {
            try Self.read(name, of: source, on: SerialLoops())
          }
          #expect(serial.map(String.init) == loaded.map(String.init))
          for loops in Self.runners {
            let error = #expect(throws: SanaError.self) {
              try Self.read(name, of: source, on: loops)
            }
            #expect(error?.code == .corruptFile)
            #expect(error?.message.contains("'\(name)'") == true)
          }
        }
        try original.write(to: url)
      }
    }
  }

  /// What was verified once may have been damaged since.
  @Test func everyReadingVerifies() throws {
    try ContainerSamples.withFile(Self.long) { path in
      let source = try ModelFile(path: path).source(for: .transformer)
      _ = try Self.read("wide", of: source, on: SerialLoops())
      let offset = try #require(source.entry("wide")).values.offset
      let handle = try FileHandle(forUpdating: URL(filePath: path))
      try handle.seek(toOffset: UInt64(offset))
      let byte = try #require(try handle.read(upToCount: 1)?.first)
      try handle.seek(toOffset: UInt64(offset))
      try handle.write(contentsOf: [byte ^ 1])
      try handle.close()
      let error = #expect(throws: SanaError.self) {
        try Self.read("wide", of: source, on: SerialLoops())
      }
      #expect(error?.code == .corruptFile)
    }
  }

  /// The values of a tensor where the file is mapped, if they lie there as they are.
  private static func lend(
    _ name: String, of source: any WeightSource, on loops: any LoopRunner
  ) throws -> (values: [UInt8], scales: [UInt8])? {
    let description = try #require(source.description(of: name))
    var scales = [Float](repeating: -7, count: description.scaleCount)
    let lent = try scales.withUnsafeMutableBufferPointer {
      try source.lendValues(of: name, scales: $0, on: loops)
    }
    #expect((lent != nil) == source.mapsValues(of: name))
    return lent.map {
      ($0.array, scales.flatMap { withUnsafeBytes(of: $0) { Array($0) } })
    }
  }

  @Test(arguments: ContainerCompression.allCases)
  func whatIsLentIsWhatIsLoaded(compression: ContainerCompression) throws {
    let tensors = ContainerSamples.everyEncoding + Self.long
    try ContainerSamples.withFile(tensors, compression: compression) { path in
      let source = try ModelFile(path: path).source(for: .transformer)
      var count = 0
      for tensor in tensors {
        for loops in Self.runners {
          let name = tensor.description.name
          guard let lent = try Self.lend(name, of: source, on: loops) else { continue }
          count += 1
          #expect(lent.values == tensor.values.array, "\(name) on \(loops)")
          #expect(lent.scales == tensor.scales?.array ?? [], "\(name) on \(loops)")
        }
      }
      #expect(count >= 3 * Self.runners.count || compression != .none)
      #expect(count < tensors.count * Self.runners.count || compression == .none)
    }
    #expect(try Self.lend("f32", of: MemorySource(tensors), on: SerialLoops()) == nil)
  }

  @Test func damagedValuesAreLentToNobody() throws {
    try ContainerSamples.withFile(Self.long, compression: .none) { path in
      let entry = try #require(ModelFile(path: path).source(for: .transformer).entry("wide"))
      let handle = try FileHandle(forUpdating: URL(filePath: path))
      let place = UInt64(try #require(entry.values.chunks.last).offset)
      try handle.seek(toOffset: place)
      let byte = try #require(try handle.read(upToCount: 1)?.first)
      try handle.seek(toOffset: place)
      try handle.write(contentsOf: [byte ^ 1])
      try handle.close()
      let source = try ModelFile(path: path).source(for: .transformer)
      // Nor the second time.
      for loops in Self.runners + [SerialLoops()] {
        let error = #expect(throws: SanaError.self) {
          try Self.lend("wide", of: source, on: loops)
        }
        #expect(error?.code == .corruptFile)
        #expect(error?.message.contains("'wide'") == true)
      }
      #expect(try Self.lend("codes", of: source, on: SerialLoops()) != nil)
    }
  }

  @Test func memoryOfAnotherSizeIsRefused() throws {
    let tensor = ContainerSamples.tensor("int8", [9, 33], .int8PerChannel)
    try ContainerSamples.withFile([tensor]) { path in
      let sources: [any WeightSource] = [
        try ModelFile(path: path).source(for: .transformer), MemorySource([tensor]),
      ]
      for source in sources {
        for (bytes, scales) in [(296, 9), (298, 9), (297, 8), (297, 10), (0, 0)] {
          var memory = [UInt8](repeating: 0, count: bytes)
          var numbers = [Float](repeating: 0, count: scales)
          let error = #expect(throws: SanaError.self) {
            try memory.withUnsafeMutableBytes { memory in
              try numbers.withUnsafeMutableBufferPointer { numbers in
                try source.read("int8", into: memory, scales: numbers, on: SerialLoops())
              }
            }
          }
          #expect(error?.code == .invalidArgument)
          #expect(error?.message.contains("'int8'") == true)
        }
      }
    }
  }

  @Test func aTensorThatIsMissingIsReportedAsByLoading() throws {
    try ContainerSamples.withFile([Self.long[3]]) { path in
      let source = try ModelFile(path: path).source(for: .transformer)
      let loaded = #expect(throws: SanaError.self) { try source.load("none") }
      let read = #expect(throws: SanaError.self) {
        try source.read(
          "none", into: .init(start: nil, count: 0), scales: .init(start: nil, count: 0),
          on: SerialLoops())
      }
      #expect(read.map(String.init) == loaded.map(String.init))
      #expect(source.readingScratchBytes(of: "none") == 0)
    }
  }

  /// Loops that a cancellation ends leave chunks unread.
  @Test func whatLoopsLeaveOutIsAnError() throws {
    try ContainerSamples.withFile(Self.long) { path in
      let source = try ModelFile(path: path).source(for: .transformer)
      let reading = #expect(throws: SanaError.self) {
        try Self.read("codes", of: source, on: EndedLoops())
      }
      let rows = #expect(throws: SanaError.self) {
        try source.loadRows([1, 2], of: "codes", on: EndedLoops())
      }
      #expect(reading?.code == .cancelled && rows?.code == .cancelled)
    }
  }

  @Test func rowsAreReadByTheThreadsThatAreGiven() throws {
    try ContainerSamples.withFile(Self.long) { path in
      let source = try ModelFile(path: path).source(for: .transformer)
      for tensor in Self.long {
        let rows = [2, 0, tensor.description.rows - 1, 2]
        let expected = tensor.picking(rows)
        for loops in Self.runners {
          let loaded = try source.loadRows(rows, of: tensor.description.name, on: loops)
          #expect(loaded.values.array == expected.values.array)
          #expect(loaded.scales?.array == expected.scales?.array)
        }
      }
    }
  }

  @Test func scratchIsWhatTheLargestChunkNeeds() throws {
    try ContainerSamples.withFile(Self.long) { path in
      let source = try ModelFile(path: path).source(for: .transformer)
      // Noise lies raw in the file.
      #expect(source.readingScratchBytes(of: "wide") == 0)
      let chunks = try #require(source.entry("flat")).values.chunks
      #expect(chunks.count > 1 && chunks.allSatisfy { $0.codec == .lz4 })
      let stored = try #require(chunks.map(\.storedByteCount).max())
      let filtered = chunks.filter { $0.filter != .none }.map(\.rawByteCount).max() ?? 0
      #expect(source.readingScratchBytes(of: "flat") == stored + filtered)
    }
  }

  /// Pages of the file that the process touched count as its memory.
  @Test func theMappedFileIsNotTouched() throws {
    try ContainerSamples.withFile(Self.long) { path in
      let source = try ModelFile(path: path).source(for: .transformer)
      let before = try residentBytes(ofMapped: path)
      for tensor in Self.long {
        _ = try Self.read(tensor.description.name, of: source, on: ProcessorLoops(workers: 2))
      }
      #expect(try residentBytes(ofMapped: path) == before)
      let loaded = try source.load("wide")
      #expect(try residentBytes(ofMapped: path) >= before + loaded.values.bytes.count / 2)
    }
  }

  /// Bytes of a mapped file that are this process's memory, as the kernel counts them.
  private func residentBytes(ofMapped path: String) throws -> Int {
    let real = URL(filePath: path).resolvingSymlinksInPath().path
    let maps = try FileHandle(forReadingFrom: URL(filePath: "/proc/self/smaps")).readToEnd()
    let lines = String(decoding: try #require(maps), as: UTF8.self).split(separator: "\n")
    let heads = lines.indices.filter { lines[$0].hasSuffix(real) }
    try #require(!heads.isEmpty)
    return try heads.reduce(0) { sum, head in
      let line = try #require(lines[head...].first { $0.hasPrefix("Rss:") })
      return sum + (try #require(line.split { !$0.isNumber }.first.flatMap { Int($0) })) * 1024
    }
  }
}

/// Runs the last index first, with the highest worker.
private struct BackwardLoops: LoopRunner, Sendable {
  var workers: Int { 4 }

  func forEach(_ count: Int, _ body: (_ index: Int, _ worker: Int) -> Void) {
    for index in (0..<count).reversed() { body(index, index % workers) }
  }
}

/// Loops of a work that is cancelled after the first index.
private struct EndedLoops: LoopRunner {
  var workers: Int { 2 }

  func forEach(_ count: Int, _ body: (_ index: Int, _ worker: Int) -> Void) {
    if count > 1 { body(0, 0) }
  }
}
