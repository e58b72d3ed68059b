internal import Support

/// The header of a safetensors file: eight bytes of length, JSON, then the tensors' bytes.
struct SafetensorsHeader {
  /// The official implementation's limit.
  static let byteLimit = 100_000_000

  let metadata: [String: String]
  /// In the order of their bytes; the ranges are positions in the file.
  let entries: [(tensor: CheckpointTensor, bytes: Range<Int>)]

  init(of file: UnsafeRawBufferPointer, location: String) throws(SanaError) {
    func malformed(_ message: String) -> SanaError {
      SanaError(.malformedFile, message, remedy: "download the file again", location: location)
    }
    if let error = FileKind(file).refusal(for: .weights, path: location) { throw error }
    guard file.count >= 8 else {
      throw malformed("is \(file.count) bytes long, too short for a safetensors file")
    }
    let announced = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
    guard announced <= UInt64(Self.byteLimit) else {
      throw malformed(
        "announces a header of \(announced) bytes, more than the \(Self.byteLimit) allowed")
    }
    let headerLength = Int(announced)
    guard headerLength <= file.count - 8 else {
      throw malformed(
        "announces a header of \(headerLength) bytes but holds only \(file.count - 8) more")
    }
    let text = UnsafeRawBufferPointer(rebasing: file[8..<8 + headerLength])
    guard text.first == UInt8(ascii: "{") else {
      throw malformed("has a header that is not a JSON object")
    }
    var options = JSONParser.Options()
    options.byteLimit = Self.byteLimit
    options.depthLimit = 3
    let members =
      try JSONParser.parse(text, location: "\(location) (header)", options: options).members ?? []

    var metadata: [String: String] = [:]
    var entries: [(tensor: CheckpointTensor, bytes: Range<Int>)] = []
    let dataStart = 8 + headerLength
    let dataLength = file.count - dataStart
    for member in members {
      if member.name == "__metadata__" {
        // The official reader takes `null` for an absent one.
        if member.value == .null { continue }
        guard let strings = member.value.members else {
          throw malformed("has __metadata__ that is not an object")
        }
        for string in strings {
          guard let value = string.value.stringValue else {
            throw malformed(
              "has __metadata__ whose \"\(string.name.abbreviated)\" is not a string")
          }
          metadata[string.name] = value
        }
      } else {
        entries.append(
          try Self.entry(
            named: member.name, member.value, dataStart: dataStart, dataLength: dataLength,
            location: location))
      }
    }

    entries.sort {
      ($0.bytes.lowerBound, $0.bytes.upperBound, $0.tensor.name)
        < ($1.bytes.lowerBound, $1.bytes.upperBound, $1.tensor.name)
    }
    var names: Set<String> = []
    var end = dataStart
    for entry in entries {
      let name = entry.tensor.name.abbreviated
      if entry.bytes.lowerBound < end {
        throw malformed("has a tensor '\(name)' that overlaps the one before it")
      }
      if entry.bytes.lowerBound > end {
        throw malformed(
          "has a hole of \(entry.bytes.lowerBound - end) bytes before the tensor '\(name)'")
      }
      end = entry.bytes.upperBound
      // Names that differ in their bytes and are one to Unicode: readers would take one tensor for
      // the other.
      guard names.insert(entry.tensor.name).inserted else {
        throw malformed("has two tensors '\(name)'")
      }
    }
    guard end == file.count else {
      throw malformed("has \(file.count - end) bytes after its last tensor")
    }
    self.metadata = metadata
    self.entries = entries
  }

  private static func entry(
    named name: String, _ value: MetadataValue, dataStart: Int, dataLength: Int, location: String
  ) throws(SanaError) -> (tensor: CheckpointTensor, bytes: Range<Int>) {
    let label = name.abbreviated
    func malformed(_ message: String) -> SanaError {
      SanaError(
        .malformedFile, "has a tensor '\(label)' \(message)", remedy: "download the file again",
        location: location)
    }
    guard let members = value.members else { throw malformed("that is not described by an object") }
    for member in members where !["dtype", "shape", "data_offsets"].contains(member.name) {
      throw malformed("with an unknown property \"\(member.name.abbreviated)\"")
    }
    guard let typeName = value["dtype"]?.stringValue else { throw malformed("without a dtype") }
    guard let type = ScalarType(rawValue: typeName) else {
      throw SanaError(
        .unsupported, "dtype \(typeName.abbreviated) of tensor '\(label)' is not supported",
        remedy:
          "convert it to one of \(ScalarType.allCases.map(\.rawValue).joined(separator: ", ")) first",
        location: location)
    }
    guard let axes = value["shape"]?.arrayValue else { throw malformed("without a shape") }
    var shape: [Int] = []
    var byteCount = type.byteCount
    for axis in axes {
      guard case .integer(let value) = axis, let size = Int(exactly: value), size >= 0 else {
        throw malformed("whose shape holds something else than sizes")
      }
      let (product, overflow) = byteCount.multipliedReportingOverflow(by: size)
      guard !overflow else { throw malformed("whose shape is too large") }
      byteCount = product
      shape.append(size)
    }
    // Zero-sized axes hide the product of the others, which consumers multiply too.
    guard shape.count <= 16, shape.allSatisfy({ $0 <= 1 << 40 }) else {
      throw malformed("whose shape is too large")
    }
    guard let offsets = value["data_offsets"]?.arrayValue, offsets.count == 2,
      case .integer(let begin) = offsets[0], case .integer(let end) = offsets[1]
    else { throw malformed("without data_offsets [begin, end]") }
    guard 0 <= begin, begin <= end, end <= Int64(dataLength) else {
      throw malformed("at bytes \(begin) to \(end) of a data section of \(dataLength) bytes")
    }
    guard end - begin == Int64(byteCount) else {
      throw malformed(
        "of \(byteCount) bytes (\(typeName) \(shape)) in a place of \(end - begin) bytes")
    }
    return (
      CheckpointTensor(name: name, type: type, shape: shape),
      dataStart + Int(begin)..<dataStart + Int(end)
    )
  }
}
