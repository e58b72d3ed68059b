public import WeightFormats

/// A pickle, instruction by instruction, as `torch.save` writes it.
public struct PickleSample {
  public private(set) var bytes: [UInt8] = [0x80, 2]

  public init() {}

  public mutating func code(_ bytes: UInt8...) { self.bytes += bytes }

  public mutating func string(_ text: String) {
    code(0x58)
    little(UInt32(text.utf8.count))
    bytes += Array(text.utf8)
  }

  public mutating func integer(_ value: Int) {
    code(0x8A, 8)
    little(UInt64(bitPattern: Int64(value)))
  }

  public mutating func global(_ module: String, _ name: String) {
    code(0x63)
    bytes += Array("\(module)\n\(name)\n".utf8)
  }

  public mutating func integers(_ values: [Int]) {
    code(0x28)
    for value in values { integer(value) }
    code(0x74)
  }

  /// `_rebuild_tensor_v2(storage, offset, shape, strides, False, OrderedDict())`.
  /// - Parameter isLegacy: whether the storage is referred to as before PyTorch 1.6.
  public mutating func tensor(
    _ shape: [Int], storage: String, key: String, count: Int, offset: Int = 0,
    strides: [Int]? = nil,
    isLegacy: Bool = false
  ) {
    global("torch._utils", "_rebuild_tensor_v2")
    code(0x28, 0x28)
    string("storage")
    global("torch", storage)
    string(key)
    string("cpu")
    integer(count)
    if isLegacy { code(0x4E) }
    code(0x74, 0x51)
    integer(offset)
    integers(shape)
    var contiguous = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() {
      contiguous[axis] = contiguous[axis + 1] &* shape[axis + 1]
    }
    integers(strides ?? contiguous)
    code(0x89)
    global("collections", "OrderedDict")
    code(0x29, 0x52, 0x74, 0x52)
  }

  /// `name(*arguments)` as protocol 2 writes a call.
  public mutating func call(_ module: String, _ name: String, with arguments: [String] = []) {
    global(module, name)
    code(0x28)
    for argument in arguments { string(argument) }
    code(0x74, 0x52)
  }

  public mutating func stop() { code(0x2E) }

  private mutating func little(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes += Array($0) }
  }

  /// Does these things and stops.
  public static func of(_ body: (inout PickleSample) -> Void) -> [UInt8] {
    var pickle = PickleSample()
    body(&pickle)
    pickle.stop()
    return pickle.bytes
  }
}

/// A zip archive of stored entries.
public enum ZipSample {
  public struct Entry {
    public var name: String
    public var contents: [UInt8]
    public var checksum: UInt32?
    public var method: UInt16 = 0
    public var flags: UInt16 = 0

    public init(_ name: String, _ contents: [UInt8]) {
      self.name = name
      self.contents = contents
    }
  }

  public static func archive(_ entries: [Entry], isZip64: Bool = false) -> [UInt8] {
    var bytes: [UInt8] = []
    var directory: [UInt8] = []
    for entry in entries {
      let offset = bytes.count
      let name = Array(entry.name.utf8)
      let checksum = entry.checksum ?? crc(entry.contents)
      let size = UInt32(entry.contents.count)
      bytes += little(UInt32(0x0403_4B50), UInt16(0), entry.flags, entry.method)
      bytes += little(UInt32(0), checksum, size, size, UInt16(name.count), UInt16(0)) + name
      bytes += entry.contents
      directory += little(UInt32(0x0201_4B50), UInt32(0), entry.flags, entry.method, UInt32(0))
      directory += little(checksum)
      if isZip64 {
        directory += little(UInt32.max, UInt32.max, UInt16(name.count), UInt16(28))
      } else {
        directory += little(size, size, UInt16(name.count), UInt16(0))
      }
      directory += little(UInt16(0), UInt16(0), UInt16(0), UInt32(0))
      directory += little(isZip64 ? UInt32.max : UInt32(offset)) + name
      if isZip64 {
        directory += little(UInt16(1), UInt16(24), UInt64(size), UInt64(size), UInt64(offset))
      }
    }
    let start = bytes.count
    bytes += directory
    let count = UInt64(entries.count)
    if isZip64 {
      let record = UInt64(bytes.count)
      bytes += little(UInt32(0x0606_4B50), UInt64(44), UInt32(0), UInt64(0), count, count)
      bytes += little(UInt64(directory.count), UInt64(start))
      bytes += little(UInt32(0x0706_4B50), UInt32(0), record, UInt32(1))
    }
    bytes += little(UInt32(0x0605_4B50), UInt32(0), UInt16(count), UInt16(count))
    return bytes + little(UInt32(directory.count), UInt32(start), UInt16(0))
  }

  private static func little(_ values: any FixedWidthInteger...) -> [UInt8] {
    values.flatMap { value -> [UInt8] in
      func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
      }
      return bytes(value)
    }
  }

  /// CRC-32, bit by bit.
  public static func crc(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { state, byte in
      (0..<8).reduce(state ^ UInt32(byte)) { state, _ in
        state & 1 == 1 ? 0xEDB8_8320 ^ state >> 1 : state >> 1
      }
    }
  }
}

/// A whole file of `torch.save`.
public enum TorchSample {
  /// A file of the format before PyTorch 1.6.
  /// - Parameter storages: the numbers of each, with how many they are; their keys are `0`, `1`,
  ///   ...
  public static func legacyFile(
    _ pickle: [UInt8], storages: [(count: Int, bytes: [UInt8])]
  ) -> [UInt8] {
    let magic: [UInt8] = [
      0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E,
    ]
    let version = PickleSample.of { $0.code(0x4D, 0xE9, 0x03) }
    let machine = PickleSample.of {
      $0.code(0x7D)
      $0.string("little_endian")
      $0.code(0x88, 0x73)
    }
    let keys = PickleSample.of { pickle in
      pickle.code(0x5D, 0x28)
      for index in storages.indices { pickle.string("\(index)") }
      pickle.code(0x65)
    }
    return magic + version + machine + pickle + keys
      + storages.flatMap { storage in
        withUnsafeBytes(of: Int64(storage.count).littleEndian) { Array($0) } + storage.bytes
      }
  }

  public static func file(_ pickle: [UInt8], storages: [[UInt8]] = [], isZip64: Bool = false)
    -> [UInt8]
  {
    ZipSample.archive(
      [.init("x/data.pkl", pickle), .init("x/byteorder", Array("little".utf8))]
        + storages.enumerated().map { .init("x/data/\($0)", $1) }, isZip64: isZip64)
  }

  /// A state dictionary of tensors with these bytes, under `state_dict`.
  public static func file(
    _ tensors: [(tensor: CheckpointTensor, bytes: [UInt8])], isZip64: Bool = false
  ) -> [UInt8] {
    let storageNames: [ScalarType: String] = [
      .f32: "FloatStorage", .f16: "HalfStorage", .bf16: "BFloat16Storage",
    ]
    let pickle = PickleSample.of { pickle in
      pickle.code(0x7D)
      pickle.string("state_dict")
      pickle.global("collections", "OrderedDict")
      pickle.code(0x29, 0x52, 0x28)
      for (index, item) in tensors.enumerated() {
        pickle.string(item.tensor.name)
        pickle.tensor(
          item.tensor.shape, storage: storageNames[item.tensor.type] ?? "ByteStorage",
          key: "\(index)", count: item.tensor.elementCount)
      }
      // The versions of the modules, an attribute.
      pickle.code(0x75, 0x7D)
      pickle.string("_metadata")
      pickle.code(0x7D, 0x73, 0x62, 0x73)
    }
    return file(pickle, storages: tensors.map(\.bytes), isZip64: isZip64)
  }
}
