public import Support
internal import Synchronization

/// Writes a safetensors file whose tensors are known beforehand and whose bytes come in any order,
/// from any thread.
///
/// The file gets its name when it is complete; until then it does not exist under that name.
public final class SafetensorsWriter: Sendable {
  private let file: ReplacementFile
  private let places: [String: (tensor: CheckpointTensor, offset: Int)]
  /// Bytes of each tensor that are not written yet.
  private let missing: Mutex<[String: Int]>

  /// - Parameter tensors: unique names; the file holds larger element types first, then by name, as
  ///   the official writer does.
  /// - Throws: `.fileAccess` when the place cannot be written to; `.invalidArgument` when a name
  ///   comes twice or is `__metadata__`.
  public init(
    path: String, tensors: [CheckpointTensor], metadata: [String: String] = ["format": "pt"]
  ) throws(SanaError) {
    let ordered = tensors.sorted {
      $0.type.byteCount != $1.type.byteCount
        ? $0.type.byteCount > $1.type.byteCount : $0.name < $1.name
    }
    var members = [
      MetadataValue.Member(
        "__metadata__",
        .object(
          metadata.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }))
    ]
    var offsets: [Int] = []
    var end = 0
    for tensor in ordered {
      offsets.append(end)
      let begin = end
      end += tensor.byteCount
      members.append(
        .init(
          tensor.name,
          .object([
            .init("dtype", .string(tensor.type.rawValue)),
            .init("shape", .array(tensor.shape.map { .integer(Int64($0)) })),
            .init("data_offsets", .array([.integer(Int64(begin)), .integer(Int64(end))])),
          ])))
    }
    var header = JSONWriter.write(.object(members))
    header += repeatElement(UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
    let dataStart = 8 + header.count

    var places: [String: (tensor: CheckpointTensor, offset: Int)] = [:]
    for (tensor, offset) in zip(ordered, offsets) {
      guard places.updateValue((tensor, dataStart + offset), forKey: tensor.name) == nil,
        tensor.name != "__metadata__"
      else {
        throw SanaError(
          .invalidArgument, "two tensors would be named '\(tensor.name.abbreviated)'",
          remedy: "give every tensor its own name", location: path)
      }
    }
    self.places = places
    missing = Mutex(places.mapValues { $0.tensor.byteCount })
    file = try ReplacementFile(path: path)
    let prefix = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
    try file.write(prefix, at: 0)
  }

  /// Writes one tensor, or a part of it. Parts must not overlap.
  /// - Parameter offset: where in the tensor the bytes begin.
  /// - Throws: `.invalidArgument` for a name or a length that was not announced; `.fileAccess`.
  public func write(
    _ bytes: UnsafeRawBufferPointer, as name: String, at offset: Int = 0
  ) throws(SanaError) {
    guard let place = places[name], offset >= 0, offset <= place.tensor.byteCount - bytes.count
    else {
      throw SanaError(
        .invalidArgument,
        "\(bytes.count) bytes were not announced as part of the tensor '\(name.abbreviated)'",
        remedy: "announce every tensor with its shape", location: file.path)
    }
    try file.write(bytes, at: place.offset + offset)
    missing.withLock { $0[name, default: 0] -= bytes.count }
  }

  /// Syncs the file and gives it its name.
  /// - Throws: `.invalidArgument` when a tensor was not written completely; `.fileAccess`.
  public func finish() throws(SanaError) {
    if let name = missing.withLock({ $0.filter { $0.value != 0 }.keys.min() }) {
      throw SanaError(
        .invalidArgument, "the tensor '\(name.abbreviated)' was announced but not written",
        remedy: "write every tensor before finishing", location: file.path)
    }
    try file.commit()
  }
}
