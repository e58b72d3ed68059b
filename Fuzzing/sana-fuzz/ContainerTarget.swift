internal import CKernels
internal import CLZ4
internal import Foundation
internal import Support
internal import TestSupport
internal import WeightFormats

/// A byte that says what follows: 0 a whole `.sana` file; 1 choices, from which a file with right checksums is made that lies in
/// some of its fields.
struct ContainerTarget: FuzzTarget {
  func run(_ input: [UInt8]) {
    guard let kind = input.first else { return }
    let rest = Array(input.dropFirst())
    var recipe = ContainerRecipe(rest)
    read(kind & 1 == 0 ? rest : Array(recipe.container().bytes))
  }

  private func read(_ contents: [UInt8]) {
    guard let file = try? ModelFile(MappedFile(contents: contents, path: "fuzz")) else { return }
    let isIntact = (try? file.verify()) != nil
    for component in file.components {
      guard let kind = component.kind, let source = try? file.source(for: kind) else { continue }
      for tensor in component.tensors {
        guard let stored = try? source.load(tensor.name) else {
          precondition(!isIntact, "verified, but cannot be loaded")
          continue
        }
        let description = tensor.description
        withExtendedLifetime(stored) {
          precondition(stored.values.bytes.count == description.valueByteCount)
          precondition((stored.scales?.bytes.count ?? 0) == description.scaleCount * 4)
          touch(stored.values.bytes)
          if let scales = stored.scales { touch(scales.bytes) }
          readRows(of: stored, from: source)
        }
      }
    }
  }

  /// Some rows must be what they are in the whole tensor.
  private func readRows(of stored: StoredTensor, from source: ComponentSource) {
    let description = stored.description
    let rows = description.rows / 3..<(description.rows + 1) / 2
    guard !rows.isEmpty else { return }
    let rowBytes = description.valueByteCount / description.rows
    let rowScales = description.scaleCount / description.rows
    var values = [UInt8](repeating: 0, count: rows.count * rowBytes)
    var scales = [Float](repeating: 0, count: rows.count * rowScales)
    values.withUnsafeMutableBytes { values in
      scales.withUnsafeMutableBufferPointer { scales in
        do {
          try source.read(description.name, rows: rows, into: values, scales: scales)
        } catch { fatalError("cannot read rows of what was loaded") }
      }
    }
    precondition(
      values.elementsEqual(
        stored.values.bytes[rows.lowerBound * rowBytes..<rows.upperBound * rowBytes]))
  }

  func mutate(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8] {
    guard let kind = input.first, kind & 1 == 0, input.count > 97, mutator.chance(9, of: 10) else {
      return mutator.mutate(input)
    }
    let file = Array(input.dropFirst())
    let offset = file.suffix(64).prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let end = file.count - 64
    let begin = Int(min(max(offset, 32), UInt64(end)))
    var directory = Array(file[begin..<end])
    if mutator.chance(2, of: 3) {
      directory = mutator.mutate(directory)
    } else if directory.count >= 8 {
      // A field of some size, wherever it may be.
      let value = littleEndian(mutator.number(near: Int64(mutator.below(file.count))))
      let count = mutator.pick([1, 2, 4, 8])
      let at = mutator.below(directory.count - count + 1)
      directory.replaceSubrange(at..<at + count, with: value.prefix(count))
    }
    var changed = Data([kind]) + file[..<begin] + directory
    changed = changed.dropFirst()
    var footer = littleEndian(UInt64(begin)) + littleEndian(UInt64(directory.count))
    footer += littleEndian(HandmadeContainer.checksum(Data(directory)))
    footer += file[(end + 24)..<(end + 32)]
    footer += littleEndian(UInt64(changed.count + 64)) + [UInt8](repeating: 0, count: 8)
    footer += littleEndian(HandmadeContainer.checksum(Data(file[..<32]) + footer))
    return [kind] + changed + footer + file.suffix(8)
  }

  func seeds() throws -> [[UInt8]] {
    let choices = (0..<UInt64(24)).map { seed -> [UInt8] in
      var random = SplitMix(seed: seed)
      return [1] + (0..<400).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }
    let directory = try TestDirectory()
    let path = directory.path("seed.sana")
    let writer = try ContainerWriter(path: path)
    try writer.beginComponent(.transformer, metadata: .object([.init("a", .array([.null]))]))
    for (index, encoding) in ContainerRecipe.encodings.enumerated() {
      let description = TensorDescription(
        name: "t\(index)", shape: [[5, 33], [64], [2, 3, 4]][index % 3], encoding: encoding)
      try writer.append(description) { band in
        for index in band.values.indices { band.values[index] = UInt8(index & 7) }
        band.scales.update(repeating: 0.5)
      }
    }
    try writer.finish(metadata: .object([.init("n", .number(.nan)), .init("b", .bytes([1]))]))
    return [[0] + (try Data(contentsOf: URL(filePath: path)))] + choices
  }
}

/// Makes a container of a run of choices, each a byte.
struct ContainerRecipe {
  static let encodings: [TensorEncoding] = [
    .f32, .f16, .bf16, .int8PerChannel, .int8Grouped(groupSize: 16), .int4Grouped(groupSize: 8),
    .plain(.i64), .plain(.bool), .plain(.u8),
  ]

  private var rest: ArraySlice<UInt8>

  init(_ choices: [UInt8]) { rest = choices[...] }

  private mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

  private mutating func below(_ bound: Int) -> Int { Int(byte()) % bound }

  /// The value, or seldom another.
  private mutating func maybe<Value: FixedWidthInteger>(_ value: Value) -> Value {
    switch byte() {
    case 0xFF: .max
    case 0xFE: value &+ 1
    case 0xFD: value &- 1
    case 0xFC: 1 << Value(byte() & UInt8(Value.bitWidth - 1))
    case 0xFB: Value(truncatingIfNeeded: byte())
    default: value
    }
  }

  mutating func container() -> HandmadeContainer {
    var container = HandmadeContainer()
    container.minor = maybe(0)
    container.componentNames = below(6) == 0 ? ["autoencoder", "other"] : ["transformer"]
    if below(8) == 0 { container.metadata = (0..<below(40)).map { _ in byte() } }
    var features: UInt64 = 0
    container.tensors = (0..<below(5)).map { tensor("t\($0)", &features) }
    container.features = maybe(features)
    container.padding = maybe(0)
    return container
  }

  private mutating func tensor(_ name: String, _ features: inout UInt64) -> HandmadeContainer.Tensor
  {
    let encoding = Self.encodings[below(Self.encodings.count)]
    let shape = (0..<below(4)).map { _ in below(22) }
    let description = TensorDescription(name: name, shape: shape, encoding: encoding)
    var tensor = HandmadeContainer.Tensor()
    tensor.name = Array(name.utf8)
    tensor.shape = shape.map { maybe(UInt64($0)) }
    (tensor.encoding, tensor.parameter) =
      switch encoding {
      case .f32: (1, 0)
      case .f16: (2, 0)
      case .bf16: (3, 0)
      case .int8PerChannel: (4, 0)
      case .int8Grouped(let size): (5, UInt32(size))
      case .int4Grouped(let size): (6, UInt32(size))
      case .plain(let type): (7, type == .i64 ? 7 : type == .bool ? 8 : 5)
      }
    tensor.encoding = maybe(tensor.encoding)
    tensor.parameter = maybe(tensor.parameter)
    tensor.activations = maybe(UInt8(below(2)))
    tensor.planes = [plane(description.valueByteCount, &features)]
    if encoding.isQuantized { tensor.planes.append(plane(description.scaleCount * 4, &features)) }
    return tensor
  }

  private mutating func plane(
    _ byteCount: Int, _ features: inout UInt64
  ) -> HandmadeContainer.Plane {
    var chunks: [HandmadeContainer.Chunk] = []
    var left = byteCount
    while left > 0 {
      let count = !rest.isEmpty && below(3) == 0 ? min(left, 1 + below(200)) : left
      left -= count
      chunks.append(chunk(count, &features))
    }
    var plane = HandmadeContainer.Plane(
      chunks: chunks, alignment: byteCount >= 1 << 16 ? 4096 : 64)
    if byte() == 0xFF { plane.chunkCount = maybe(UInt32(chunks.count)) }
    return plane
  }

  private mutating func chunk(
    _ byteCount: Int, _ features: inout UInt64
  ) -> HandmadeContainer.Chunk {
    let fill = byte()
    var raw = [UInt8](repeating: fill & 0x0F, count: byteCount)
    if fill & 0x80 != 0 {
      for index in raw.indices { raw[index] = byte() }
    }
    var chunk = HandmadeContainer.Chunk(stored: raw, rawByteCount: maybe(UInt32(byteCount)))
    if fill & 0x10 != 0 {
      let size = 1 << below(4)
      chunk.filter = maybe(1)
      chunk.elementByteCount = maybe(UInt8(size))
      features |= 2
      var shuffled = raw
      sana_bitshuffle(raw, &shuffled, raw.count, size)
      chunk.stored = shuffled
    }
    if fill & 0x20 != 0 {
      if fill & 0x40 != 0 {
        // A block of any bytes.
        chunk.stored = (0..<1 + below(30)).map { _ in byte() }
      } else {
        var block = [CChar](repeating: 0, count: Int(LZ4_compressBound(Int32(byteCount))))
        let count = chunk.stored.withUnsafeBytes { source in
          LZ4_compress_default(
            source.baseAddress, &block, Int32(byteCount), Int32(block.count))
        }
        chunk.stored = block.prefix(Int(count)).map { UInt8(bitPattern: $0) }
      }
      chunk.codec = maybe(1)
      features |= 1
    }
    chunk.reserved = maybe(0)
    if byte() == 0xFF { chunk.checksum = 0 }
    return chunk
  }
}
