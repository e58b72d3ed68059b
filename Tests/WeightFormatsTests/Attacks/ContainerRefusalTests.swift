import Foundation
import Support
import TestSupport
import Testing
import WeightFormats

/// Files with good checksums that lie.
@Suite struct ContainerRefusalTests {
  typealias Chunk = HandmadeContainer.Chunk
  typealias Plane = HandmadeContainer.Plane

  /// Opens the file, checks all of it and loads every tensor.
  private static func use(_ bytes: Data, at path: String) throws {
    try bytes.write(to: URL(filePath: path))
    let file = try ModelFile(path: path)
    try file.verify()
    for component in file.components {
      guard let kind = component.kind else { continue }
      let source = try file.source(for: kind)
      for tensor in component.tensors { _ = try source.load(tensor.name) }
    }
  }

  private func expect(
    _ code: SanaError.Code, _ words: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ change: (inout HandmadeContainer) -> Void
  ) throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("handmade.sana")
      var container = HandmadeContainer()
      change(&container)
      let error = #expect(throws: SanaError.self, sourceLocation: sourceLocation) {
        try Self.use(container.bytes, at: path)
      }
      #expect(error?.code == code, "\(error?.description ?? "")", sourceLocation: sourceLocation)
      #expect(
        error?.description.contains(words) == true, "\(error?.description ?? "")",
        sourceLocation: sourceLocation)
    }
  }

  @Test func aHandmadeFileIsRead() throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("handmade.sana")
      var container = HandmadeContainer()
      container.componentNames = ["transformer", "a component of the future"]
      try Self.use(container.bytes, at: path)
      let file = try ModelFile(path: path)
      #expect(file.components[1].kind == nil)
      let loaded = try file.source(for: .transformer).load("w")
      #expect(loaded.values.array == Array(0..<24))
    }
  }

  @Test func aTensorInThePlaceOfAnEmptyOneIsVerifiedToo() throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("handmade.sana")
      var container = HandmadeContainer()
      container.tensors[0].planes[0].chunks[0].checksum = 1
      var empty = HandmadeContainer.Tensor()
      empty.name = Array("empty".utf8)
      empty.shape = [0, 3]
      empty.planes = [Plane(chunks: [])]
      container.tensors.insert(empty, at: 0)
      try container.bytes.write(to: URL(filePath: path))
      let file = try ModelFile(path: path)
      let offsets = file.components[0].tensors.map(\.values.offset)
      #expect(Set(offsets).count == 1)
      let source = try file.source(for: .transformer)
      for _ in 0..<2 {
        #expect(try source.load("empty").values.bytes.isEmpty)
        let error = #expect(throws: SanaError.self) { _ = try source.load("w") }
        #expect(error?.code == .corruptFile)
      }
    }
  }

  @Test func whatOnlyANewerReaderKnowsIsNamed() throws {
    try expect(.unsupported, "format version 2.0") { $0.major = 2 }
    try expect(.unsupported, "needs feature 5") { $0.features = 1 << 5 }
    try expect(.unsupported, "encoding 99") { $0.tensors[0].encoding = 99 }
    try expect(.unsupported, "reads format 1.1") { $0.tensors[0].encoding = 99 }
    try expect(.unsupported, "reads format 1.7") {
      $0.minor = 7
      $0.tensors[0].encoding = 99
    }
    try expect(.unsupported, "activation encoding 3") { $0.tensors[0].activations = 3 }
    try expect(.unsupported, "codec 7") { $0.tensors[0].planes[0].chunks[0].codec = 7 }
    try expect(.unsupported, "filter 9") { $0.tensors[0].planes[0].chunks[0].filter = 9 }
    try expect(.unsupported, "metadata of type 9") { $0.metadata = [9] }
    try expect(.unsupported, "encoding 7") {
      $0.tensors[0].encoding = 7
      $0.tensors[0].parameter = 200
    }
  }

  @Test func whatNoVersionHasIsMalformed() throws {
    try expect(.malformedFile, "no format version 0.3") {
      $0.major = 0
      $0.minor = 3
    }
    for size: UInt8 in [0, 3, 16] {
      try expect(.malformedFile, "filter 1 for elements of \(size) bytes") {
        $0.tensors[0].planes[0].chunks[0].filter = 1
        $0.tensors[0].planes[0].chunks[0].elementByteCount = size
      }
    }
    try expect(.malformedFile, "filter 0 for elements of 4 bytes") {
      $0.tensors[0].planes[0].chunks[0].elementByteCount = 4
    }
  }

  @Test func anotherVersionIsToldFromTheHeaderAlone() throws {
    try withTemporaryDirectory { directory in
      var container = HandmadeContainer()
      container.major = 2
      let path = directory.path("handmade.sana")
      let error = #expect(throws: SanaError.self) {
        try Self.use(container.header + Data(count: 8), at: path)
      }
      #expect(error?.message.contains("format version 2.0") == true)
    }
  }

  @Test func namesOfOneFileAreTwoIfTheirBytesAre() throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("handmade.sana")
      var container = HandmadeContainer()
      container.tensors[0].name = Array("caf\u{e9}".utf8)
      var second = HandmadeContainer.Tensor()
      second.name = Array("cafe\u{301}".utf8)
      second.planes[0].chunks[0].stored = Array(100..<124)
      container.tensors.append(second)
      try Self.use(container.bytes, at: path)
      let source = try ModelFile(path: path).source(for: .transformer)
      #expect(try source.load("caf\u{e9}").values.array == Array(0..<24))
      #expect(try source.load("cafe\u{301}").values.array == Array(100..<124))
    }
  }

  @Test func aNameThatIsRefusedIsPrintedShort() throws {
    try expect(.malformedFile, "control characters") {
      $0.tensors[0].name = Array("\u{1B}[2J".utf8)
    }
    try withTemporaryDirectory { directory in
      var container = HandmadeContainer()
      container.tensors[0].name = [UInt8](repeating: 0x41, count: 1 << 20)
      let path = directory.path("handmade.sana")
      let error = #expect(throws: SanaError.self) { try Self.use(container.bytes, at: path) }
      #expect((error?.message.count ?? .max) < 200)
    }
  }

  @Test func aNewerMinorVersionAloneIsRead() throws {
    try withTemporaryDirectory { directory in
      var container = HandmadeContainer()
      container.minor = 9
      try Self.use(container.bytes, at: directory.path("handmade.sana"))
    }
  }

  @Test func placesOutsideTheFileAndOverlapsAreRefused() throws {
    try expect(.malformedFile, "does not follow") { $0.tensors[0].planes[0].offset = 0 }
    try expect(.malformedFile, "does not follow") { $0.tensors[0].planes[0].offset = 1 << 50 }
    try expect(.malformedFile, "does not follow") { $0.tensors[0].planes[0].offset = .max }
    try expect(.malformedFile, "directory") { $0.directoryOffset = 1 << 40 }
    try expect(.malformedFile, "directory") { $0.directoryOffset = 0 }
    try expect(.malformedFile, "directory") { $0.directoryByteCount = .max }
    try expect(.malformedFile, "directory") {
      // The chunk claims the bytes of the directory.
      $0.tensors[0].shape = [1 << 10, 3]
      $0.tensors[0].planes[0].chunks[0].rawByteCount = 12 << 10
      $0.tensors[0].planes[0].chunks = [
        Chunk(stored: Array(0..<24), rawByteCount: 24),
        Chunk(stored: [], rawByteCount: 0),
      ]
      $0.tensors[0].planes[0].chunkCount = 2
      $0.directoryOffset = 64
    }
  }

  @Test func sizesThatDoNotFollowFromTheShapeAreRefused() throws {
    try expect(.malformedFile, "needs 36 bytes") { $0.tensors[0].shape = [3, 3] }
    try expect(.malformedFile, "needs 0 bytes") { $0.tensors[0].shape = [3, 0] }
    try expect(.malformedFile, "too many elements") { $0.tensors[0].shape = [1 << 39, 4] }
    try expect(.malformedFile, "too many elements") { $0.tensors[0].shape = [1 << 62, 1 << 62] }
    try expect(.malformedFile, "too many elements") { $0.tensors[0].shape = [0, .max] }
    try expect(.malformedFile, "9 axes") { $0.tensors[0].shape = [UInt64](repeating: 1, count: 9) }
    try expect(.malformedFile, "groups of 0") {
      $0.tensors[0].encoding = 5
    }
    try expect(.malformedFile, "groups of 12") {
      $0.tensors[0].encoding = 6
      $0.tensors[0].parameter = 12
    }
    try expect(.malformedFile, "no use for") { $0.tensors[0].parameter = 1 }
  }

  @Test func decompressionBombsAreRefusedBeforeAnythingIsAllocated() throws {
    // 1 TiB that claims to come out of one tiny block.
    try expect(.malformedFile, "claims to hold") {
      $0.features = 1
      $0.tensors[0].shape = [1 << 38]
      $0.tensors[0].planes = [
        Plane(
          chunks: [Chunk(stored: [0, 1, 2], rawByteCount: 16 << 20, codec: 1)], alignment: 4096)
      ]
    }
    try expect(.malformedFile, "chunk of 'w' holds") {
      $0.tensors[0].planes[0].chunks[0].rawByteCount = .max
    }
    try expect(.malformedFile, "promises") { $0.tensors[0].planes[0].chunkCount = .max }
    try expect(.malformedFile, "more than 65536 tensors") { $0.tensorCount = .max }
    try expect(.malformedFile, "promises") { $0.tensorCount = 60_000 }
    try expect(.malformedFile, "promises") { $0.metadata = [7, 0xFF, 0xFF, 0xFF, 0xFF] }
    try expect(.malformedFile, "claims to hold") {
      $0.tensors[0].planes[0].chunks[0].rawByteCount = 23
    }
    try expect(.malformedFile, "holds 0 bytes") {
      $0.tensors[0].planes[0].chunks.append(Chunk(stored: [], rawByteCount: 0))
    }
  }

  @Test func blocksThatAreNoLZ4AreRefusedWhenTheyAreRead() throws {
    try expect(.corruptFile, "chunk 1 of 1 of tensor 'w'") {
      $0.features = 1
      $0.tensors[0].planes[0].chunks = [
        Chunk(stored: [UInt8](repeating: 0xFF, count: 20), rawByteCount: 24, codec: 1)
      ]
    }
  }

  @Test func badNamesAreRefused() throws {
    try expect(.malformedFile, "empty name") { $0.tensors[0].name = [] }
    for scalar in ["\0", "\n", "\u{1B}", "\u{7F}", "\u{80}", "\u{85}", "\u{9B}", "\u{9F}"] {
      try expect(.malformedFile, "control characters") {
        $0.tensors[0].name = Array("a\(scalar)".utf8)
      }
      try expect(.malformedFile, "control characters") { $0.componentNames = ["a\(scalar)"] }
    }
    try expect(.malformedFile, "not UTF-8") { $0.tensors[0].name = [0xC3, 0x28] }
    try expect(.malformedFile, "longer than 512") {
      $0.tensors[0].name = [UInt8](repeating: 0x41, count: 513)
    }
    try expect(.malformedFile, "two tensors") {
      var second = HandmadeContainer.Tensor()
      second.planes[0].alignment = 64
      $0.tensors.append(second)
    }
    try expect(.malformedFile, "two components") {
      $0.componentNames = ["transformer", "transformer"]
    }
  }

  @Test func badMetadataIsRefused() throws {
    try expect(.malformedFile, "not an object") { $0.metadata = [0] }
    try expect(.malformedFile, "nested deeper") {
      let level: [UInt8] = [7, 1, 0, 0, 0]
      $0.metadata = (0..<100_000).flatMap { _ in level } + [0]
    }
    try expect(.malformedFile, "members of one object are named 'a'") {
      let member: [UInt8] = [1, 0, 0, 0, 0x61, 0]
      $0.metadata = [8, 2, 0, 0, 0] + member + member
    }
    try expect(.malformedFile, "more than 1048576 metadata values") {
      let count = 1_100_000
      let name: [UInt8] = [1, 0, 0, 0, 0x61]
      $0.metadata = [8, 1, 0, 0, 0] + name + [7]
      for shift in [0, 8, 16, 24] { $0.metadata.append(UInt8(count >> shift & 0xFF)) }
      $0.metadata += [UInt8](repeating: 0, count: count)
    }
  }

  @Test func leftOversAreRefused() throws {
    try expect(.malformedFile, "3 bytes follow") { $0.afterDirectory = [1, 2, 3] }
    try expect(.malformedFile, "reserved byte") { $0.tensors[0].planes[0].chunks[0].reserved = 1 }
    try expect(.malformedFile, "of its header are not zero") { $0.headerReserve = 1 }
    try expect(.malformedFile, "of its footer are not zero") { $0.footerReserve = 1 }
    try expect(.malformedFile, "feature bits") { $0.features = 1 }
    try expect(.corruptFile, "not zero") { $0.padding = 1 }
  }

  @Test func otherFilesAreNoContainers() throws {
    try withTemporaryDirectory { directory in
      let path = directory.path("other")
      for (bytes, words) in [
        (Data(), "is empty"), (Data("PK".utf8), "is a text ('PK'), not a .sana file"),
        (Data(repeating: 0x89, count: 5000), "is not a .sana file"),
      ] {
        try bytes.write(to: URL(filePath: path))
        let error = #expect(throws: SanaError.self) { try ModelFile(path: path) }
        #expect(error?.message == words)
      }
      let missing = #expect(throws: SanaError.self) { try ModelFile(path: path + "x") }
      #expect(missing?.code == .fileAccess)
      let folder = #expect(throws: SanaError.self) { try ModelFile(path: directory.url.path) }
      #expect(folder?.code == .fileAccess)
    }
  }

  /// Random changes of the directory with corrected checksums: whatever they say, the answer is an error or a usable file.
  @Test func randomDirectoriesNeverCrash() throws {
    try ContainerSamples.withFile(ContainerSamples.everyEncoding) { path in
      let original = try Data(contentsOf: URL(filePath: path))
      let footer = original.count - 64
      let directory = original.withUnsafeBytes {
        Int(UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: footer, as: UInt64.self)))
      }
      var random = SplitMix(seed: 2026)
      for _ in 0..<5000 {
        var changed = original
        for _ in 0..<Int.random(in: 1...4, using: &random) {
          let offset = Int.random(in: directory..<footer, using: &random)
          switch Int.random(in: 0..<4, using: &random) {
          case 0: changed[offset] ^= 1 << UInt8.random(in: 0..<8, using: &random)
          case 1: changed[offset] = .random(in: 0...255, using: &random)
          case 2: changed[offset] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
          default:
            let other = Int.random(in: directory..<footer, using: &random)
            let count = min(8, footer - max(offset, other))
            changed.replaceSubrange(
              offset..<offset + count, with: Data(changed[other..<other + count]))
          }
        }
        HandmadeContainer.resign(&changed)
        do { try Self.use(changed, at: path) } catch is SanaError {}
      }
    }
  }
}
