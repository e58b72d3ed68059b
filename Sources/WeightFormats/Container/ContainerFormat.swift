internal import Support

/// Version of the `.sana` format. A newer minor version adds what an older reader may ignore, or
/// marks it with a required feature; a newer major version is another format.
public struct ContainerVersion: Hashable, Sendable, CustomStringConvertible {
  public let major: UInt16
  public let minor: UInt16

  public init(major: UInt16, minor: UInt16) {
    self.major = major
    self.minor = minor
  }

  /// The version this code writes.
  public static let current = ContainerVersion(major: 1, minor: 0)

  public var description: String { "\(major).\(minor)" }
}

/// What a reader must understand to use a file at all.
public struct ContainerFeatures: OptionSet, Hashable, Sendable {
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  public static let lz4 = ContainerFeatures(rawValue: 1 << 0)
  public static let bitshuffle = ContainerFeatures(rawValue: 1 << 1)

  /// Some weight's activations are coded in two planes or transformed.
  public static let transformedActivations = ContainerFeatures(rawValue: 1 << 2)

  static let known: ContainerFeatures = [.lz4, .bitshuffle, .transformedActivations]
}

/// The first bytes of a `.sana` file.
struct ContainerHeader {
  static let byteCount = 32
  /// The first byte and the line ends reveal a transfer that took the file for text.
  static let magic = FileKind.containerSignature

  var version: ContainerVersion

  var encoded: [UInt8] {
    var writer = ByteWriter()
    writer.append(raw: Self.magic)
    writer.append(version.major)
    writer.append(version.minor)
    writer.append(UInt32(0))
    writer.append(UInt64(0))
    writer.append(writer.bytes.withUnsafeBytes { checksum($0) })
    return writer.bytes
  }

  init(version: ContainerVersion) {
    self.version = version
  }

  init(_ file: UnsafeRawBufferPointer, path: String) throws(SanaError) {
    guard file.prefix(Self.magic.count).elementsEqual(Self.magic) else {
      throw FileKind(file).refusal(for: .model, path: path)
        ?? SanaError(
          .malformedFile, "is not a .sana file",
          remedy: "name one, or convert a checkpoint with sana-convert", location: path)
    }
    guard file.count >= Self.byteCount else { throw .truncatedContainer(path) }
    let header = UnsafeRawBufferPointer(rebasing: file[..<Self.byteCount])
    guard checksum(header.prefix(24)) == header.unsigned(at: 24, as: UInt64.self) else {
      throw .corruptContainer(path, "the checksum of its header disagrees")
    }
    version = ContainerVersion(
      major: header.unsigned(at: 8, as: UInt16.self),
      minor: header.unsigned(at: 10, as: UInt16.self))
    guard version.major > 0 else {
      throw .malformedContainer(path, "there is no format version \(version)")
    }
    guard version.major == ContainerVersion.current.major else {
      throw .unsupportedContainer(path, "has format version \(version)", version: version)
    }
    guard header[12..<24].allSatisfy({ $0 == 0 }) else {
      throw .malformedContainer(path, "reserved bytes of its header are not zero")
    }
  }
}

/// The last bytes of a `.sana` file.
struct ContainerFooter {
  static let byteCount = 64
  static let magic: [UInt8] = [0x1A, 0x0A, 0x0D, 0x41, 0x4E, 0x41, 0x53, 0x89]

  var directoryOffset: Int
  var directoryByteCount: Int
  var directoryChecksum: UInt64
  var features: ContainerFeatures
  var fileByteCount: Int

  /// - Parameter header: the header's bytes, which the digest covers too.
  func encoded(after header: some Collection<UInt8>) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(UInt64(directoryOffset))
    writer.append(UInt64(directoryByteCount))
    writer.append(directoryChecksum)
    writer.append(features.rawValue)
    writer.append(UInt64(fileByteCount))
    writer.append(UInt64(0))
    writer.append((Array(header) + writer.bytes).withUnsafeBytes { checksum($0) })
    writer.append(raw: Self.magic)
    return writer.bytes
  }

  init(
    directoryOffset: Int, directoryByteCount: Int, directoryChecksum: UInt64,
    features: ContainerFeatures, fileByteCount: Int
  ) {
    self.directoryOffset = directoryOffset
    self.directoryByteCount = directoryByteCount
    self.directoryChecksum = directoryChecksum
    self.features = features
    self.fileByteCount = fileByteCount
  }

  /// - Parameter file: the whole file, which begins with a header.
  init(_ file: UnsafeRawBufferPointer, path: String, version: ContainerVersion) throws(SanaError) {
    guard file.count >= ContainerHeader.byteCount + Self.byteCount else {
      throw .truncatedContainer(path)
    }
    let footer = UnsafeRawBufferPointer(rebasing: file[(file.count - Self.byteCount)...])
    guard footer.suffix(Self.magic.count).elementsEqual(Self.magic) else {
      throw .truncatedContainer(path)
    }
    let covered = Array(file.prefix(ContainerHeader.byteCount)) + footer.prefix(48)
    guard covered.withUnsafeBytes({ checksum($0) }) == footer.unsigned(at: 48, as: UInt64.self)
    else { throw .corruptContainer(path, "the checksum of its footer disagrees") }
    features = ContainerFeatures(rawValue: footer.unsigned(at: 24, as: UInt64.self))
    let unknown = features.subtracting(.known)
    guard unknown.isEmpty else {
      let bits = (0..<64).filter { unknown.rawValue >> $0 & 1 == 1 }.map(String.init)
      throw .unsupportedContainer(
        path, "needs feature \(bits.joined(separator: ", "))", version: version)
    }
    guard footer.unsigned(at: 32, as: UInt64.self) == UInt64(file.count) else {
      throw .truncatedContainer(path)
    }
    guard footer.unsigned(at: 40, as: UInt64.self) == 0 else {
      throw .malformedContainer(path, "reserved bytes of its footer are not zero")
    }
    fileByteCount = file.count
    let offset = footer.unsigned(at: 0, as: UInt64.self)
    let length = footer.unsigned(at: 8, as: UInt64.self)
    let end = UInt64(file.count - Self.byteCount)
    guard length <= ContainerLimits.directoryByteCount else {
      throw .malformedContainer(path, "its directory is longer than 64 MiB")
    }
    guard offset >= ContainerHeader.byteCount, offset <= end, length == end - offset else {
      throw .malformedContainer(path, "its directory does not end where the footer begins")
    }
    directoryOffset = Int(offset)
    directoryByteCount = Int(length)
    directoryChecksum = footer.unsigned(at: 16, as: UInt64.self)
  }
}

extension SanaError {
  static func truncatedContainer(_ path: String) -> SanaError {
    SanaError(
      .corruptFile, "is incomplete: it does not end as a .sana file does",
      remedy: "copy, download or convert it again", location: path)
  }

  /// - Parameter version: the file's version, which names what a reader needs.
  static func unsupportedContainer(_ path: String, _ what: String, version: ContainerVersion)
    -> SanaError
  {
    let known = ContainerVersion.current
    let isNewer = (version.major, version.minor) > (known.major, known.minor)
    let needed = isNewer ? version : ContainerVersion(major: known.major, minor: known.minor + 1)
    return SanaError(
      .unsupported, "\(what), which this version does not know",
      remedy: "use a toolchain that reads format \(needed) (this one reads up to \(known))",
      location: path)
  }
}
