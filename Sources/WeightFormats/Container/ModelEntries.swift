public import Support

/// How the bytes of a chunk were rearranged before the codec saw them.
public enum ChunkFilter: Hashable, Sendable {
  case none
  /// Bits of equal significance stand together; see `sana_bitshuffle.h`.
  case bitshuffle(elementByteCount: Int)
}

/// How the (filtered) bytes of a chunk are stored.
public enum ChunkCodec: UInt8, Hashable, Sendable {
  case stored = 0
  /// One LZ4 block, without a frame.
  case lz4 = 1
}

/// An independently stored piece of a plane.
public struct ChunkEntry: Hashable, Sendable {
  public let rawByteCount: Int
  public let storedByteCount: Int
  public let filter: ChunkFilter
  public let codec: ChunkCodec
  /// XXH64 of the stored bytes.
  public let checksum: UInt64
  /// Where the stored bytes begin in the file.
  public let offset: Int
  /// Where the raw bytes begin in the plane.
  public let rawOffset: Int

  /// Whether the stored bytes are the raw ones.
  public var isRaw: Bool { filter == .none && codec == .stored }
}

/// One run of a tensor's bytes: its values or its scales.
public struct PlaneEntry: Hashable, Sendable {
  /// In the order of the plane, one behind the other in the file.
  public let chunks: [ChunkEntry]
  /// Where the first chunk begins in the file; aligned to `ContainerLayout.alignment`.
  public let offset: Int
  public let rawByteCount: Int
  public let storedByteCount: Int
  /// Whether the plane lies in the file as it is, so that the mapped bytes can be used in place.
  public let isRaw: Bool

  init(offset: Int, chunks: [ChunkEntry]) {
    self.offset = offset
    self.chunks = chunks
    rawByteCount = chunks.reduce(0) { $0 + $1.rawByteCount }
    storedByteCount = chunks.reduce(0) { $0 + $1.storedByteCount }
    isRaw = chunks.allSatisfy(\.isRaw)
  }

  var end: Int { offset + storedByteCount }
}

/// A tensor of a `.sana` file and where its bytes are.
public struct TensorEntry: Hashable, Sendable {
  public let description: TensorDescription
  /// An object: distortion statistics, the type of the source, and whatever else was recorded.
  public let metadata: MetadataValue
  public let values: PlaneEntry
  /// `nil` where the encoding has no scales.
  public let scales: PlaneEntry?

  public var name: String { description.name }
  public var rawByteCount: Int { values.rawByteCount + (scales?.rawByteCount ?? 0) }
  public var storedByteCount: Int { values.storedByteCount + (scales?.storedByteCount ?? 0) }

  var planes: [PlaneEntry] { [values] + (scales.map { [$0] } ?? []) }
}

/// A network of a `.sana` file.
public struct ComponentEntry: Hashable, Sendable {
  /// The raw value of `kind`, or the name of a component that this version does not know.
  public let name: String
  public let kind: ComponentKind?
  /// An object that holds the component's configuration.
  public let metadata: MetadataValue
  /// In the order of the file.
  public let tensors: [TensorEntry]

  public var rawByteCount: Int { tensors.reduce(0) { $0 + $1.rawByteCount } }
  public var storedByteCount: Int { tensors.reduce(0) { $0 + $1.storedByteCount } }
}

/// Where planes lie in a `.sana` file.
public enum ContainerLayout {
  /// Planes at least this long begin on a page, so that they can be mapped and uploaded on their
  /// own.
  static let pageAlignedByteCount = 64 << 10

  /// Bytes to a multiple of which a plane of this raw size begins.
  public static func alignment(rawByteCount: Int) -> Int {
    rawByteCount >= pageAlignedByteCount ? 4096 : 64
  }

  static func align(_ offset: Int, to alignment: Int) -> Int {
    (offset + alignment - 1) / alignment * alignment
  }
}
