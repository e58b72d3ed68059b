internal import Support
internal import WeightFormats

/// A whole safetensors file.
struct SafetensorsTarget: FuzzTarget {
  func run(_ input: [UInt8]) {
    guard let file = try? SafetensorsFile(MappedFile(contents: input, path: "fuzz")) else { return }
    var count = 0
    for tensor in file.tensors {
      guard let bytes = file.bytes(of: tensor.name) else {
        fatalError("a listed tensor is missing")
      }
      withExtendedLifetime(bytes) {
        precondition(bytes.bytes.count == tensor.byteCount)
        touch(bytes.bytes)
      }
      count += tensor.byteCount
    }
    precondition(count <= input.count - 10)
  }

  func mutate(_ input: [UInt8], _ mutator: inout Mutator) -> [UInt8] {
    guard input.count >= 8, mutator.chance(5, of: 6) else { return mutator.mutate(input) }
    let announced = input[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let end = 8 + Int(min(announced, UInt64(input.count - 8)))
    var header = Array(input[8..<end])
    var data = Array(input[end...])
    var options = JSONParser.Options.configuration
    options.byteLimit = .max
    let value = header.withUnsafeBytes {
      try? JSONParser.parse($0, location: "fuzz", options: options)
    }
    if let value, mutator.chance(3, of: 4) {
      var changed = mutator.mutate(value)
      if mutator.chance(3, of: 4) {
        changed = Self.placed(changed, byteCount: &data)
      }
      header = JSONWriter.write(changed)
    } else {
      header = mutator.mutate(header)
    }
    if mutator.chance(1, of: 20) { data = mutator.mutate(data) }
    return littleEndian(UInt64(header.count)) + header + data
  }

  /// Gives every tensor that has a size its place behind the one before it, and the file as many bytes.
  private static func placed(_ header: MetadataValue, byteCount data: inout [UInt8])
    -> MetadataValue
  {
    guard let members = header.members else { return header }
    var end = 0
    let placed = members.map { member -> MetadataValue.Member in
      guard let fields = member.value.members, let type = member.value["dtype"]?.stringValue,
        let size = ScalarType(rawValue: type)?.byteCount,
        let shape = member.value["shape"]?.arrayValue
      else { return member }
      let count = shape.reduce(size) { product, axis in
        product.multipliedReportingOverflow(by: axis.integerValue ?? 1).partialValue
      }
      guard (0...4096).contains(count) else { return member }
      defer { end += count }
      let offsets = MetadataValue.array([.integer(Int64(end)), .integer(Int64(end + count))])
      return .init(
        member.name,
        .object(fields.filter { $0.name != "data_offsets" } + [.init("data_offsets", offsets)]))
    }
    data = Array(data.prefix(end)) + [UInt8](repeating: 5, count: max(end - data.count, 0))
    return .object(placed)
  }

  func seeds() -> [[UInt8]] {
    let headers: [(String, Int)] = [
      ("{}", 0),
      (
        #"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#,
        24
      ),
      (
        #"{"b":{"dtype":"BF16","shape":[0,4],"data_offsets":[0,0]},"c":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"d":{"dtype":"I64","shape":[1,1,1],"data_offsets":[1,9]}}   "#,
        9
      ),
    ]
    return headers.map { header, count in
      littleEndian(UInt64(header.utf8.count)) + Array(header.utf8)
        + [UInt8](repeating: 7, count: count)
    }
  }
}
