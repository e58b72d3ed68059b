import Support
import TestSupport
import Testing
import WeightFormats

@Suite struct TorchFileTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private static let tensors = [
    (CheckpointTensor(name: "a", type: .bf16, shape: [2, 3]), [UInt8](0..<12)),
    (CheckpointTensor(name: "b", type: .f32, shape: [1]), [1, 2, 3, 4]),
    (CheckpointTensor(name: "none", type: .f16, shape: [0, 4]), []),
  ]

  private func error(_ file: [UInt8]) throws -> SanaError {
    let path = try directory.write(file, to: "x.pth")
    return try #require(throws: SanaError.self) { try TorchFile(path: path) }
  }

  @Test(arguments: [false, true])
  func readsTheStateDictionary(isZip64: Bool) throws {
    let path = try directory.write(
      TorchSample.file(Self.tensors, isZip64: isZip64), to: "x.pth")
    let file = try TorchFile(path: path)
    #expect(file.tensors == Self.tensors.map(\.0))
    for (tensor, bytes) in Self.tensors {
      let elements = try #require(try file.elements(of: tensor.name))
      #expect(elements.type == tensor.type)
      #expect(elements.bytes.array == bytes)
    }
    #expect(try file.elements(of: "c") == nil)
  }

  @Test func readsPartsOfAStorage() throws {
    let pickle = PickleSample.of {
      $0.code(0x7D)
      $0.string("part")
      $0.tensor([2], storage: "ByteStorage", key: "0", count: 5, offset: 3)
      $0.code(0x73)
    }
    let path = try directory.write(
      TorchSample.file(pickle, storages: [[1, 2, 3, 4, 5]]), to: "x.pth")
    let elements = try #require(try TorchFile(path: path).elements(of: "part"))
    #expect(elements.bytes.array == [4, 5])
  }

  private func twisted(_ shape: [Int], _ strides: [Int], offset: Int) -> [UInt8] {
    let pickle = PickleSample.of {
      $0.code(0x7D)
      $0.string("twisted")
      $0.tensor(
        shape, storage: "ByteStorage", key: "0", count: 6, offset: offset, strides: strides)
      $0.code(0x73)
    }
    return TorchSample.file(pickle, storages: [[1, 2, 3, 4, 5, 6]])
  }

  @Test(arguments: [
    ([2, 3], [1, 2], 0, [1, 3, 5, 2, 4, 6]), ([2, 2], [0, 1], 1, [2, 3, 2, 3]),
    ([3, 1, 2], [1, 7, 3], 0, [1, 4, 2, 5, 3, 6]), ([2], [3], 2, [3, 6]),
  ])
  func gathersTensorsOutOfOrder(
    _ shape: [Int], _ strides: [Int], _ offset: Int, _ expected: [UInt8]
  ) throws {
    let path = try directory.write(twisted(shape, strides, offset: offset), to: "x.pth")
    let elements = try #require(try TorchFile(path: path).elements(of: "twisted"))
    #expect(elements.bytes.array == expected)
  }

  @Test func refusesTensorsThatRepeatTheirNumbersOrHaveNone() throws {
    #expect(try error(twisted([3, 3], [0, 1], offset: 0)).message.contains("repeats its numbers"))
    for (shape, strides, offset) in [([6], [1], 1), ([2, 3], [4, 1], 0), ([1 << 20], [0], 6)] {
      #expect(
        try error(twisted(shape, strides, offset: offset)).message.contains("beyond its storage"))
    }
  }

  @Test func doublesAreReadAsFloats() throws {
    let numbers = [1.0, -0.1, 1e-50, 1e300, .infinity]
    let pickle = PickleSample.of {
      $0.code(0x7D)
      $0.string("wide")
      $0.tensor([5], storage: "DoubleStorage", key: "0", count: 5)
      $0.code(0x73)
    }
    let path = try directory.write(
      TorchSample.file(pickle, storages: [numbers.flatMap { [UInt8].little($0.bitPattern) }]),
      to: "x.pth")
    let file = try TorchFile(path: path)
    #expect(file.tensor(named: "wide")?.type == .f64)
    let elements = try #require(try file.elements(of: "wide"))
    #expect(elements.type == .f32 && elements.count == 5)
    #expect(elements.withFloats(Array.init) == numbers.map { Float($0) })
    #expect(elements.slice(1..<2).withFloats(Array.init) == [-0.1])
  }

  @Test func noticesDamage() throws {
    var bytes = TorchSample.file(Self.tensors)
    let data = try #require(bytes.indices.first { bytes[$0...].starts(with: 0..<12) })
    bytes[data + 5] ^= 1
    let file = try TorchFile(path: directory.write(bytes, to: "x.pth"))
    let error = try #require(throws: SanaError.self) { try file.elements(of: "a") }
    #expect(error.code == .corruptFile && error.message.contains("x/data/0"))
    #expect(try file.elements(of: "b") != nil)
  }

  @Test func acceptsFilesWithoutChecksums() throws {
    var entry = ZipSample.Entry("x/data.pkl", PickleSample.of { $0.code(0x7D) })
    entry.checksum = 0
    let path = try directory.write(ZipSample.archive([entry]), to: "x.pth")
    #expect(try TorchFile(path: path).tensors.isEmpty)
  }

  @Test func refusesOtherArchives() throws {
    let pickle = ZipSample.Entry("x/data.pkl", PickleSample.of { $0.code(0x7D) })
    var compressed = pickle
    compressed.method = 8
    #expect(try error(ZipSample.archive([compressed])).message.contains("compressed"))
    var encrypted = pickle
    encrypted.flags = 1
    #expect(try error(ZipSample.archive([encrypted])).message.contains("encrypted"))
    #expect(try error(ZipSample.archive([pickle, pickle])).message.contains("two entries"))
    #expect(try error(ZipSample.archive([])).message.contains("without the data.pkl"))
    let big = ZipSample.Entry("x/byteorder", Array("big".utf8))
    #expect(try error(ZipSample.archive([pickle, big])).message.contains("most significant"))
    #expect(
      try error([0x80, 2, 0x8A, 10, 1, 2, 3, 4, 5]).message.contains("is a pickle, but none"))
    #expect(try error([]).code == .malformedFile)
  }

  @Test func noMutationDoesMoreThanFail() throws {
    let valid = TorchSample.file(Self.tensors)
    var random = SplitMix(seed: 11)
    var opened = 0
    for _ in 0..<4000 {
      var bytes = valid
      for _ in 0..<1 + Int(random.next() % 4) {
        switch random.next() % 4 {
        case 0: bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(random.next() & 0xFF)
        case 1: bytes[Int(random.next() % UInt64(bytes.count))] ^= 1 << UInt8(random.next() % 8)
        case 2: bytes.removeLast(Int(random.next() % UInt64(bytes.count)) / 8)
        default:
          let at = Int(random.next() % UInt64(bytes.count))
          bytes.insert(contentsOf: bytes[at..<min(at + 9, bytes.count)], at: at)
        }
      }
      let path = try directory.write(bytes, to: "x.pth")
      guard let file = try? TorchFile(path: path) else { continue }
      opened += 1
      for tensor in file.tensors {
        if let elements = try? file.elements(of: tensor.name) {
          #expect(elements.bytes.bytes.count == tensor.byteCount)
        }
      }
    }
    #expect(opened < 4000)
  }

  /// The pickle's own checksum keeps most mutations of a file from it; here they all arrive.
  @Test func noMutatedPickleDoesMoreThanFail() throws {
    let valid = Array(
      PickleSample.of {
        $0.code(0x7D)
        $0.string("t")
        $0.tensor([2, 3], storage: "HalfStorage", key: "0", count: 6)
        $0.code(0x73)
      })
    var random = SplitMix(seed: 7)
    for _ in 0..<20_000 {
      var bytes = valid
      for _ in 0..<1 + Int(random.next() % 3) {
        let at = Int(random.next() % UInt64(bytes.count))
        if random.next() % 3 == 0 {
          bytes.remove(at: at)
        } else {
          bytes[at] = UInt8(random.next() & 0xFF)
        }
      }
      bytes.withUnsafeBytes { _ = try? PickleMachine.run($0, location: "fuzz") }
    }
  }
}
