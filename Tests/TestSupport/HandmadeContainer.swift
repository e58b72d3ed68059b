internal import CXXHash
public import Foundation

/// A `.sana` file put together byte by byte, as `formats.md` says and without the code under test, so that any field can lie.
public struct HandmadeContainer: Sendable {
  public struct Chunk: Sendable {
    public var stored: [UInt8]
    public var rawByteCount: UInt32
    public var filter: UInt8 = 0
    public var elementByteCount: UInt8 = 0
    public var codec: UInt8 = 0
    public var reserved: UInt8 = 0
    /// XXH64 of the stored bytes unless set.
    public var checksum: UInt64?

    public init(
      stored: [UInt8], rawByteCount: UInt32, filter: UInt8 = 0, elementByteCount: UInt8 = 0,
      codec: UInt8 = 0
    ) {
      self.stored = stored
      self.rawByteCount = rawByteCount
      self.filter = filter
      self.elementByteCount = elementByteCount
      self.codec = codec
    }
  }

  public struct Plane: Sendable {
    public var chunks: [Chunk]
    /// Where it lies unless set otherwise.
    public var offset: UInt64?
    public var chunkCount: UInt32?
    public var alignment = 64

    public init(chunks: [Chunk], alignment: Int = 64) {
      self.chunks = chunks
      self.alignment = alignment
    }
  }

  public struct Tensor: Sendable {
    public var name: [UInt8] = Array("w".utf8)
    public var shape: [UInt64] = [2, 3]
    public var encoding: UInt8 = 1
    public var activations: UInt8 = 0
    public var parameter: UInt32 = 0
    public var metadata: [UInt8] = HandmadeContainer.emptyObject
    public var planes = [Plane(chunks: [Chunk(stored: Array(0..<24), rawByteCount: 24)])]

    public init() {}
  }

  public static let emptyObject: [UInt8] = [8, 0, 0, 0, 0]

  public var major: UInt16 = 1
  public var minor: UInt16 = 0
  public var features: UInt64 = 0
  public var headerReserve: UInt8 = 0
  public var footerReserve: UInt64 = 0
  public var metadata = emptyObject
  public var componentNames = ["transformer"]
  public var componentMetadata = emptyObject
  public var tensors = [Tensor()]
  public var tensorCount: UInt32?
  public var afterDirectory: [UInt8] = []
  public var padding: UInt8 = 0
  public var directoryByteCount: UInt64?
  public var directoryOffset: UInt64?
  public var holeBeforeDirectory = 0

  public init() {}

  public var bytes: Data {
    var file = header

    var directory = Data(metadata)
    directory.append(little: UInt32(componentNames.count))
    for name in componentNames {
      directory.append(counted: Array(name.utf8))
      directory.append(contentsOf: componentMetadata)
      directory.append(little: tensorCount ?? UInt32(tensors.count))
      for tensor in tensors { append(tensor, to: &directory, &file) }
    }
    directory.append(contentsOf: afterDirectory)
    pad(&file, to: 64)
    file.append(contentsOf: [UInt8](repeating: 0, count: holeBeforeDirectory))
    let offset = directoryOffset ?? UInt64(file.count)
    file.append(directory)

    var footer = Data()
    footer.append(little: offset)
    footer.append(little: directoryByteCount ?? UInt64(directory.count))
    footer.append(little: Self.checksum(directory))
    footer.append(little: features)
    footer.append(little: UInt64(file.count + 64))
    footer.append(little: footerReserve)
    footer.append(little: Self.checksum(file.prefix(32) + footer))
    footer.append(contentsOf: [0x1A, 0x0A, 0x0D, 0x41, 0x4E, 0x41, 0x53, 0x89])
    return file + footer
  }

  /// The first 32 bytes.
  public var header: Data {
    var header = Data([0x89, 0x53, 0x41, 0x4E, 0x41, 0x0D, 0x0A, 0x1A])
    header.append(little: major)
    header.append(little: minor)
    header.append(contentsOf: [UInt8](repeating: headerReserve, count: 12))
    header.append(little: Self.checksum(header))
    return header
  }

  private func append(_ tensor: Tensor, to directory: inout Data, _ file: inout Data) {
    directory.append(counted: tensor.name)
    directory.append(UInt8(tensor.shape.count))
    for extent in tensor.shape { directory.append(little: extent) }
    directory.append(tensor.encoding)
    directory.append(tensor.activations)
    directory.append(little: tensor.parameter)
    directory.append(contentsOf: tensor.metadata)
    for plane in tensor.planes {
      pad(&file, to: plane.alignment)
      directory.append(little: plane.offset ?? UInt64(file.count))
      directory.append(little: plane.chunkCount ?? UInt32(plane.chunks.count))
      for chunk in plane.chunks {
        directory.append(little: chunk.rawByteCount)
        directory.append(little: UInt32(chunk.stored.count))
        directory.append(contentsOf: [
          chunk.filter, chunk.elementByteCount, chunk.codec, chunk.reserved,
        ])
        directory.append(little: chunk.checksum ?? Self.checksum(Data(chunk.stored)))
        file.append(contentsOf: chunk.stored)
      }
    }
  }

  private func pad(_ file: inout Data, to alignment: Int) {
    file.append(contentsOf: [UInt8](repeating: padding, count: -file.count & (alignment - 1)))
  }

  public static func checksum(_ data: Data) -> UInt64 {
    data.withUnsafeBytes { sana_xxh64($0.baseAddress, $0.count, 0) }
  }

  /// Corrects the checksums of a file whose directory was changed.
  public static func resign(_ file: inout Data) {
    let footer = file.count - 64
    let offset = file.withUnsafeBytes {
      Int(UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: footer, as: UInt64.self)))
    }
    file.replace(at: footer + 16, with: checksum(Data(file[offset..<footer])))
    file.replace(
      at: footer + 48, with: checksum(Data(file.prefix(32)) + Data(file[footer..<footer + 48])))
  }
}

extension Data {
  mutating func append(little value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  mutating func append(counted bytes: [UInt8]) {
    append(little: UInt32(bytes.count))
    append(contentsOf: bytes)
  }

  fileprivate mutating func replace(at offset: Int, with value: UInt64) {
    Swift.withUnsafeBytes(of: value.littleEndian) {
      replaceSubrange(offset..<offset + 8, with: $0)
    }
  }
}
