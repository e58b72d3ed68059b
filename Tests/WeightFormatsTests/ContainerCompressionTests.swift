import TestSupport
import Testing
import WeightFormats

@Suite struct ContainerCompressionTests {
  /// Random numbers of one magnitude, of which only the upper `bits` carry anything.
  private static func weights(_ name: String, _ encoding: TensorEncoding, bits: Int) -> StoredTensor
  {
    let description = TensorDescription(name: name, shape: [1100, 1000], encoding: encoding)
    let size = description.valueByteCount / description.elementCount
    var random = SplitMix(seed: 5)
    let values = TensorBytes(byteCount: description.valueByteCount) { memory in
      for offset in stride(from: 0, to: memory.count, by: size) {
        let unused = UInt32(32 - bits)
        let mantissa = (UInt32.random(in: 0..<(1 << 23), using: &random) >> unused) << unused
        let number = Float(
          bitPattern: (random.next() & 1 == 0 ? 0x3C00_0000 : 0xBC00_0000) | mantissa)
        withUnsafeBytes(of: number.bitPattern.littleEndian) { bytes in
          for byte in 0..<size { memory[offset + byte] = bytes[4 - size + byte] }
        }
      }
    }
    return StoredTensor(description: description, values: values)
  }

  private static let half = weights("bf16", .bf16, bits: 16)
  private static let widened = weights("bf16 in f32", .f32, bits: 16)
  private static let full = weights("f32", .f32, bits: 32)

  private func storedShares(_ compression: ContainerCompression) throws -> [String: Double] {
    try withTemporaryDirectory { directory in
      let path = directory.path("model.sana")
      let writer = try ContainerWriter(path: path, compression: compression)
      try writer.beginComponent(.transformer, metadata: .object([]))
      let tensors = [Self.half, Self.widened, Self.full]
      for tensor in tensors { try writer.append(tensor) }
      try writer.finish(metadata: .object([]))
      let file = try ModelFile(path: path)
      try file.verify()
      #expect(file.features.isEmpty == (compression == .none))
      let source = try file.source(for: .transformer)
      var shares: [String: Double] = [:]
      for tensor in tensors {
        let name = tensor.description.name
        #expect(try source.load(name).values.array == tensor.values.array)
        let entry = try #require(source.entry(name))
        shares[name] = Double(entry.storedByteCount) / Double(entry.rawByteCount)
      }
      return shares
    }
  }

  @Test func noneStoresEverythingAsItIs() throws {
    #expect(try storedShares(.none).values.allSatisfy { $0 == 1 })
  }

  /// A bf16 number of one magnitude has 8 random bits of 16: sign and mantissa.
  @Test func fastCompressesWhatShrinksToHalf() throws {
    let shares = try storedShares(.fast)
    #expect(try #require(shares["bf16 in f32"]) < 0.3)
    #expect(shares["bf16"] == 1)
    #expect(shares["f32"] == 1)
  }

  @Test func smallCompressesWhatShrinksByAnEighth() throws {
    let shares = try storedShares(.small)
    #expect(try #require(shares["bf16 in f32"]) < 0.3)
    #expect(try #require(shares["bf16"]) < 0.6)
    #expect(try #require(shares["f32"]) < 0.8)
  }
}
