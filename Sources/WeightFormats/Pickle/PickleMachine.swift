package import Support

/// Follows a pickle's instructions, as far as they place and collect values.
///
/// A pickle is a program for a stack machine (Python's `pickletools` describes it) and may call
/// anything that its names reach. This machine has no calls: a name is a case of `PickleGlobal`,
/// for which `REDUCE` knows what to make, or opaque, and whatever is done to an opaque value leaves
/// it so. Every instruction takes at least a byte and keeps at most a few values, so memory is
/// bounded by the pickle's size.
package struct PickleMachine {
  static let byteLimit = 64 << 20
  static let stackLimit = 1 << 20

  private let location: String
  private var bytes: PickleBytes
  private var stack: [PickleValue] = []
  /// Depths of the stack at the marks that are not taken yet.
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]
  private var heap: PickleHeap

  /// - Throws: `.malformedFile` where the bytes are no pickle; `.unsupported` naming an instruction
  ///   that no file has.
  package static func run(
    _ bytes: UnsafeRawBufferPointer, location: String
  ) throws(SanaError) -> (root: PickleValue, heap: PickleHeap) {
    let reader = PickleBytes(bytes, location: location)
    guard bytes.count <= byteLimit else {
      throw reader.malformed("is longer than \(byteLimit) bytes")
    }
    let pickle = try runFirst(bytes, location: location)
    guard pickle.byteCount == bytes.count else { throw reader.malformed("goes on after its end") }
    return (pickle.root, pickle.heap)
  }

  /// Follows the pickle that the bytes begin with.
  /// - Returns: what it builds, and how long it is.
  /// - Throws: as above.
  static func runFirst(
    _ bytes: UnsafeRawBufferPointer, location: String
  ) throws(SanaError) -> (root: PickleValue, heap: PickleHeap, byteCount: Int) {
    var machine = PickleMachine(
      UnsafeRawBufferPointer(rebasing: bytes.prefix(byteLimit)), location: location)
    let root = try machine.run()
    return (root, machine.heap, machine.bytes.position)
  }

  private init(_ bytes: UnsafeRawBufferPointer, location: String) {
    self.bytes = PickleBytes(bytes, location: location)
    self.location = location
    heap = PickleHeap(location: location)
  }

  private mutating func run() throws(SanaError) -> PickleValue {
    guard try bytes.readInstruction() == PickleOpcode.proto.rawValue else {
      throw malformed("does not begin with a protocol")
    }
    let version = try bytes.read(UInt8.self)
    guard (2...5).contains(version) else {
      throw unsupported("is of protocol \(version), not 2 to 5")
    }
    while true {
      let code = try bytes.readInstruction()
      guard let opcode = PickleOpcode(rawValue: code) else {
        guard let name = PickleOpcode.refused[code] else {
          throw malformed("holds the unknown instruction \(code)")
        }
        throw unsupported("uses the instruction \(name)")
      }
      if opcode == .stop {
        let root = try pop()
        guard stack.isEmpty, marks.isEmpty else { throw malformed("leaves values behind") }
        return root
      }
      try follow(opcode)
    }
  }

  private mutating func follow(_ opcode: PickleOpcode) throws(SanaError) {
    switch opcode {
    case .stop, .proto: throw malformed("states its protocol twice")
    case .frame:
      // Where reading may pause; a length that lies is of no consequence, but no writer makes one.
      guard try bytes.read(UInt64.self) <= UInt64(bytes.remainingCount) else {
        throw malformed("has a frame that reaches beyond it")
      }
    case .mark:
      guard marks.count < Self.stackLimit else { throw malformed("holds too many marks") }
      marks.append(stack.count)
    case .pop:
      if let mark = marks.last, mark == stack.count { marks.removeLast() } else { _ = try pop() }
    case .popMark: _ = try popToMark()
    case .duplicate:
      let value = try pop()
      try push(value)
      try push(value)
    case .none: try push(.none)
    case .newTrue: try push(.bool(true))
    case .newFalse: try push(.bool(false))
    case .binaryInteger, .binaryInteger1, .binaryInteger2, .long1, .long4, .integer, .long,
      .binaryNumber, .float:
      try push(try number(opcode))
    case .shortBinaryString, .binaryString, .binaryString8, .unicode, .byteString,
      .binaryByteString, .shortBinaryByteString, .binaryBytes, .shortBinaryBytes, .binaryBytes8,
      .byteArray8:
      try push(try text(opcode))
    case .emptyTuple: try push(try heap.makeTuple([]))
    case .tuple1: try pushTuple(1)
    case .tuple2: try pushTuple(2)
    case .tuple3: try pushTuple(3)
    case .tuple:
      let values = try popToMark()
      try push(try heap.makeTuple(values))
    case .emptyList: try push(try heap.makeList([]))
    case .list:
      let values = try popToMark()
      try push(try heap.makeList(values))
    case .append: try append([try pop()])
    case .appends: try append(try popToMark())
    case .emptyDictionary: try push(try heap.makeDictionary())
    case .dictionary:
      let values = try popToMark()
      try push(try heap.makeDictionary())
      try insert(values)
    case .setItem:
      let value = try pop()
      let key = try pop()
      try insert([key, value])
    case .setItems: try insert(try popToMark())
    case .emptySet: try push(.opaque("set"))
    case .frozenSet:
      _ = try popToMark()
      try push(.opaque("frozenset"))
    case .addItems:
      _ = try popToMark()
      guard case .opaque = try top() else { throw malformed("adds items to what is no set") }
    case .put: try remember(try readIndex())
    case .put1: try remember(Int(try bytes.read(UInt8.self)))
    case .put4: try remember(Int(try bytes.read(UInt32.self)))
    case .memoize: try remember(memo.count)
    case .get: try push(try recall(try readIndex()))
    case .get1: try push(try recall(Int(try bytes.read(UInt8.self))))
    case .get4: try push(try recall(Int(try bytes.read(UInt32.self))))
    case .global: try push(Self.named(try readName()))
    case .stackGlobal:
      guard case .string(let name) = try pop(), case .string(let module) = try pop() else {
        throw malformed("uses something else than strings as a name")
      }
      try push(Self.named("\(module).\(name)"))
    case .extension1: try push(.opaque("extension \(try bytes.read(UInt8.self))"))
    case .extension2: try push(.opaque("extension \(try bytes.read(UInt16.self))"))
    case .extension4: try push(.opaque("extension \(try bytes.read(UInt32.self))"))
    case .persistentName: try push(.opaque(try bytes.readLine()))
    case .persistentIdentifier:
      let identifier = try pop()
      try push(try heap.storage(identifier, at: bytes))
    case .reduce:
      let arguments = try pop()
      let function = try pop()
      try push(try heap.call(function, arguments, at: bytes))
    case .newObject:
      _ = try pop()
      try push(.opaque(try pop().className))
    case .newObjectWithKeywords:
      _ = try pop()
      _ = try pop()
      try push(.opaque(try pop().className))
    case .instance:
      let name = try readName()
      _ = try popToMark()
      try push(.opaque(name))
    case .object:
      guard let made = try popToMark().first else { throw malformed("makes an object of nothing") }
      try push(.opaque(made.className))
    case .build: try build()
    }
  }

  // MARK: - Errors

  private func malformed(_ what: String) -> SanaError { bytes.malformed(what) }

  private func unsupported(_ what: String) -> SanaError {
    SanaError(
      .unsupported, "its pickle \(what) (at byte \(bytes.start))",
      remedy: "load it in PyTorch and save it again with torch.save", location: location)
  }

  // MARK: - Values in the bytes

  private mutating func number(_ opcode: PickleOpcode) throws(SanaError) -> PickleValue {
    func integer(_ value: Int64?) -> PickleValue { value.map { .integer($0) } ?? .opaque("int") }
    switch opcode {
    case .binaryInteger: return .integer(Int64(try bytes.read(Int32.self)))
    case .binaryInteger1: return .integer(Int64(try bytes.read(UInt8.self)))
    case .binaryInteger2: return .integer(Int64(try bytes.read(UInt16.self)))
    case .long1: return integer(try bytes.readLong(UInt64(try bytes.read(UInt8.self))))
    case .long4: return integer(try bytes.readLong(UInt64(try bytes.read(UInt32.self))))
    case .integer:
      // `I00` and `I01` are how protocol 1 writes truth values.
      let line = try bytes.readLine()
      return line == "00" || line == "01" ? .bool(line == "01") : integer(Int64(line))
    case .long:
      let line = try bytes.readLine()
      return integer(Int64(line.hasSuffix("L") ? String(line.dropLast()) : line))
    case .binaryNumber:
      return .number(Double(bitPattern: try bytes.read(UInt64.self).byteSwapped))
    default:
      guard let value = Double(try bytes.readLine()) else { throw malformed("holds no number") }
      return .number(value)
    }
  }

  private mutating func text(_ opcode: PickleOpcode) throws(SanaError) -> PickleValue {
    switch opcode {
    case .shortBinaryString: return .string(try readString(UInt8.self))
    case .binaryString: return .string(try readString(UInt32.self))
    case .binaryString8: return .string(try readString(UInt64.self))
    case .unicode:
      let line = try bytes.readLine()
      return line.contains("\\") ? .opaque("str") : .string(line)
    case .byteString:
      // A Python literal.
      let line = try bytes.readLine()
      guard line.count >= 2, let quote = line.first, "'\"".contains(quote), line.last == quote,
        !line.contains("\\")
      else { return .opaque("bytes") }
      return .string(String(line.dropFirst().dropLast()))
    // What Python 2 wrote for its strings.
    case .binaryByteString: return .string(try readString(UInt32.self))
    case .shortBinaryByteString: return .string(try readString(UInt8.self))
    case .shortBinaryBytes: try bytes.skip(UInt64(try bytes.read(UInt8.self)))
    case .binaryBytes: try bytes.skip(UInt64(try bytes.read(UInt32.self)))
    default: try bytes.skip(try bytes.read(UInt64.self))
    }
    return .opaque("bytes")
  }

  private mutating func readString(
    _ count: (some FixedWidthInteger).Type
  ) throws(SanaError) -> String { try bytes.readString(UInt64(try bytes.read(count))) }

  private mutating func readIndex() throws(SanaError) -> Int {
    guard let index = Int(try bytes.readLine()) else { throw malformed("holds no number") }
    return index
  }

  /// Two lines: `torch._utils` and `_rebuild_tensor_v2`.
  private mutating func readName() throws(SanaError) -> String {
    let module = try bytes.readLine()
    return "\(module).\(try bytes.readLine())"
  }

  private static func named(_ name: String) -> PickleValue {
    PickleGlobal(name: name).map { .global($0) } ?? .opaque(name)
  }

  // MARK: - The stack

  private mutating func push(_ value: PickleValue) throws(SanaError) {
    guard stack.count < Self.stackLimit else { throw malformed("holds too many values at once") }
    stack.append(value)
  }

  /// What lies below a mark stays there until the mark is taken.
  private mutating func pop() throws(SanaError) -> PickleValue {
    guard stack.count > marks.last ?? 0 else { throw malformed("takes a value that is not there") }
    return stack.removeLast()
  }

  private mutating func popToMark() throws(SanaError) -> [PickleValue] {
    guard let mark = marks.popLast() else {
      throw malformed("goes back to a mark that is not there")
    }
    defer { stack.removeSubrange(mark...) }
    return Array(stack[mark...])
  }

  private mutating func pushTuple(_ count: Int) throws(SanaError) {
    guard stack.count - (marks.last ?? 0) >= count else {
      throw malformed("takes values that are not there")
    }
    let values = Array(stack.suffix(count))
    stack.removeLast(count)
    try push(try heap.makeTuple(values))
  }

  private func top() throws(SanaError) -> PickleValue {
    guard let value = stack.last, stack.count > marks.last ?? 0 else {
      throw malformed("uses a value that is not there")
    }
    return value
  }

  private mutating func append(_ values: [PickleValue]) throws(SanaError) {
    switch try top() {
    case .list(let list): try heap.append(values, toList: list)
    case .opaque: break
    default: throw malformed("appends to what is no list")
    }
  }

  private mutating func insert(_ values: [PickleValue]) throws(SanaError) {
    guard values.count % 2 == 0 else { throw malformed("sets an item without a value") }
    switch try top() {
    case .dictionary(let dictionary): try heap.insert(values, inDictionary: dictionary)
    case .opaque: break
    default: throw malformed("sets items of what is no dictionary")
    }
  }

  private mutating func remember(_ key: Int) throws(SanaError) {
    guard memo.count < Self.stackLimit else { throw malformed("remembers too many values") }
    let value = try top()
    memo[key] = value
  }

  private func recall(_ key: Int) throws(SanaError) -> PickleValue {
    guard let value = memo[key] else { throw malformed("recalls a value that is not there") }
    return value
  }

  /// Gives an object attributes, which nothing here needs: an `OrderedDict` of torch's has some
  /// (`_metadata`, versions of the modules). Whatever else has a state of its own is no longer what
  /// it was made as.
  private mutating func build() throws(SanaError) {
    _ = try pop()
    switch try top() {
    case .dictionary, .opaque: break
    case let other:
      _ = try pop()
      try push(.opaque(other.className))
    }
  }
}
