internal import Support

/// The binary form of metadata (`formats.md`, "Metadata"): a tag byte, then the payload.
private enum MetadataTag: UInt8 {
  case null = 0
  case `false` = 1
  case `true` = 2
  case integer = 3
  case number = 4
  case string = 5
  case bytes = 6
  case array = 7
  case object = 8
}

extension ByteWriter {
  mutating func append(_ value: MetadataValue) {
    switch value {
    case .null: append(MetadataTag.null.rawValue)
    case .bool(let flag): append((flag ? MetadataTag.true : .false).rawValue)
    case .integer(let integer):
      append(MetadataTag.integer.rawValue)
      append(integer)
    case .number(let number):
      append(MetadataTag.number.rawValue)
      append(number.bitPattern)
    case .string(let string):
      append(MetadataTag.string.rawValue)
      append(string)
    case .bytes(let run):
      append(MetadataTag.bytes.rawValue)
      append(counted: run)
    case .array(let values):
      append(MetadataTag.array.rawValue)
      append(UInt32(values.count))
      for value in values { append(value) }
    case .object(let members):
      append(MetadataTag.object.rawValue)
      append(UInt32(members.count))
      for member in members {
        append(member.name)
        append(member.value)
      }
    }
  }
}

extension ByteReader {
  /// - Parameters:
  ///   - budget: how many more values this file may hold; counted down.
  ///   - version: the file's.
  ///   - depth: the level at which the value stands; 0 for a root.
  mutating func readMetadata(
    budget: inout Int, version: ContainerVersion, depth: Int = 0
  ) throws(SanaError) -> MetadataValue {
    guard budget > 0 else {
      throw malformed("more than \(ContainerLimits.metadataValues) metadata values")
    }
    budget -= 1
    guard depth <= ContainerLimits.metadataDepth else {
      throw malformed("metadata nested deeper than \(ContainerLimits.metadataDepth)")
    }
    let code = try read(UInt8.self)
    guard let tag = MetadataTag(rawValue: code) else {
      throw .unsupportedContainer(path, "has metadata of type \(code)", version: version)
    }
    switch tag {
    case .null: return .null
    case .false: return .bool(false)
    case .true: return .bool(true)
    case .integer: return .integer(try read())
    case .number: return .number(Double(bitPattern: try read()))
    case .string: return .string(try readString())
    case .bytes: return .bytes(Array(try readCounted()))
    case .array:
      let count = try readCount(of: "array values", minimumByteCount: 1)
      var values: [MetadataValue] = []
      for _ in 0..<count {
        values.append(try readMetadata(budget: &budget, version: version, depth: depth + 1))
      }
      return .array(values)
    case .object:
      let count = try readCount(of: "object members", minimumByteCount: 5)
      var members: [MetadataValue.Member] = []
      var names: Set<ExactString> = []
      for _ in 0..<count {
        let name = try readString()
        guard names.insert(ExactString(name)).inserted else {
          throw malformed(
            "two metadata members of one object are named '\(name.abbreviated)'")
        }
        members.append(
          .init(name, try readMetadata(budget: &budget, version: version, depth: depth + 1)))
      }
      return .object(members)
    }
  }
}
