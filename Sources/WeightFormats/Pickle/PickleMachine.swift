/// Follows a pickle's instructions, as far as they place and collect values.
///
/// A pickle is a program for a stack machine (Python's `pickletools` describes it) and may call anything that its names reach.
/// This machine has no calls: a name is a case of `PickleGlobal` or an error, and `REDUCE` and `BUILD` know what each case
/// makes. Every instruction takes at least a byte and keeps at most a few values, so memory is bounded by the pickle's size.
package struct PickleMachine {
  static let byteLimit = 64 << 20
  static let stackLimit = 1 << 20
  static let rankLimit = 16

  private let bytes: UnsafeRawBufferPointer
  private let location: String
  private var position = 0
  /// Where the current instruction is, for errors.
  private var start = 0
  private var stack: [PickleValue] = []
  /// Depths of the stack at the marks that are not taken yet.
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]
  private var heap: PickleHeap

  /// - Throws: `.malformedFile` where the bytes are no pickle; `.unsupported` naming the instruction or name that is not followed.
  package static func run(
    _ bytes: UnsafeRawBufferPointer, location: String
  ) throws(SanaError) -> (root: PickleValue, heap: PickleHeap) {
    var machine = PickleMachine(bytes: bytes, location: location)
    let root = try machine.run()
    return (root, machine.heap)
  }

  private init(bytes: UnsafeRawBufferPointer, location: String) {
    self.bytes = bytes
    self.location = location
    heap = PickleHeap(location: location)
  }

  private mutating func run() throws(SanaError) -> PickleValue {
    guard bytes.count <= Self.byteLimit else {
      throw malformed("is longer than \(Self.byteLimit) bytes")
    }
    guard try read(UInt8.self) == PickleOpcode.proto.rawValue else {
      throw malformed("does not begin with a protocol")
    }
    let version = try read(UInt8.self)
    guard (2...5).contains(version) else {
      throw unsupported("is of protocol \(version), not 2 to 5,")
    }
    while true {
      start = position
      let code = try read(UInt8.self)
      guard let opcode = PickleOpcode(rawValue: code) else {
        guard let name = PickleOpcode.refused[code] else {
          throw malformed("holds the unknown instruction \(code)")
        }
        throw unsupported("uses the instruction \(name)")
      }
      if opcode == .stop {
        let root = try pop()
        guard stack.isEmpty, marks.isEmpty else { throw malformed("leaves values behind") }
        guard position == bytes.count else { throw malformed("goes on after its end") }
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
      guard try read(UInt64.self) <= UInt64(bytes.count - position) else {
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
    case .binaryInteger: try push(.integer(Int64(try read(Int32.self))))
    case .binaryInteger1: try push(.integer(Int64(try read(UInt8.self))))
    case .binaryInteger2: try push(.integer(Int64(try read(UInt16.self))))
    case .long1: try push(.integer(try readLong()))
    case .binaryNumber:
      try push(.number(Double(bitPattern: try read(UInt64.self).byteSwapped)))
    case .shortBinaryString: try push(.string(try readString(UInt64(try read(UInt8.self)))))
    case .binaryString: try push(.string(try readString(UInt64(try read(UInt32.self)))))
    case .binaryString8: try push(.string(try readString(try read(UInt64.self))))
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
    case .put1: try remember(Int(try read(UInt8.self)))
    case .put4: try remember(Int(try read(UInt32.self)))
    case .memoize: try remember(memo.count)
    case .get1: try push(try recall(Int(try read(UInt8.self))))
    case .get4: try push(try recall(Int(try read(UInt32.self))))
    case .global:
      let module = try readLine()
      try push(.global(try resolve("\(module).\(try readLine())")))
    case .stackGlobal:
      guard case .string(let name) = try pop(), case .string(let module) = try pop() else {
        throw malformed("uses something else than strings as a name")
      }
      try push(.global(try resolve("\(module).\(name)")))
    case .persistentIdentifier:
      let identifier = try pop()
      try push(try storage(identifier))
    case .reduce:
      let arguments = try pop()
      let function = try pop()
      try push(try reduce(function, arguments))
    case .build: try build()
    }
  }

  // MARK: - Errors

  private func malformed(_ what: String) -> SanaError {
    SanaError(
      .malformedFile, "its pickle \(what) (at byte \(start))", remedy: "download the file again",
      location: location)
  }

  private func unsupported(_ what: String) -> SanaError {
    SanaError(
      .unsupported,
      "its pickle \(what) at byte \(start), which this program never follows: it reads tensors and what holds them, and runs nothing",
      remedy: "use a file that holds tensors only, or the release's .safetensors",
      location: location)
  }

  private func resolve(_ name: String) throws(SanaError) -> PickleGlobal {
    guard let global = PickleGlobal(name: name) else {
      throw unsupported("names '\(name.printable)'")
    }
    return global
  }

  // MARK: - Bytes

  private mutating func read<Field: FixedWidthInteger>(_: Field.Type) throws(SanaError) -> Field {
    let size = MemoryLayout<Field>.size
    guard bytes.count - position >= size else { throw malformed("ends inside an instruction") }
    defer { position += size }
    return Field(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Field.self))
  }

  private mutating func readString(_ count: UInt64) throws(SanaError) -> String {
    guard count <= UInt64(bytes.count - position) else { throw malformed("ends inside a string") }
    let end = position + Int(count)
    guard let string = String(validating: bytes[position..<end], as: UTF8.self) else {
      throw malformed("holds a string that is not UTF-8")
    }
    position = end
    return string
  }

  private mutating func readLine() throws(SanaError) -> String {
    guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) else {
      throw malformed("ends inside a name")
    }
    let line = try readString(UInt64(end - position))
    position = end + 1
    return line
  }

  /// A two's complement number of up to eight bytes.
  private mutating func readLong() throws(SanaError) -> Int64 {
    let count = Int(try read(UInt8.self))
    guard count <= 8 else { throw unsupported("holds an integer of \(count) bytes") }
    var value: UInt64 = 0
    for index in 0..<count { value |= UInt64(try read(UInt8.self)) << UInt64(8 * index) }
    guard count > 0 else { return 0 }
    let unused = UInt64(64 - 8 * count)
    return Int64(bitPattern: value << unused) >> Int64(unused)
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
    guard case .list(let list) = try top() else { throw malformed("appends to what is no list") }
    try heap.append(values, toList: list)
  }

  private mutating func insert(_ values: [PickleValue]) throws(SanaError) {
    guard case .dictionary(let dictionary) = try top() else {
      throw malformed("sets items of what is no dictionary")
    }
    guard values.count % 2 == 0 else { throw malformed("sets an item without a value") }
    try heap.insert(values, inDictionary: dictionary)
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

  // MARK: - Tensors

  private func tuple(_ value: PickleValue) -> [PickleValue]? {
    if case .tuple(let index) = value { heap.tuples[index] } else { nil }
  }

  private func sizes(_ value: PickleValue) -> [Int]? {
    guard let values = tuple(value), values.count <= Self.rankLimit else { return nil }
    var sizes: [Int] = []
    for value in values {
      guard case .integer(let size) = value, (0...1 << 40).contains(size) else { return nil }
      sizes.append(Int(size))
    }
    return sizes
  }

  /// `('storage', torch.FloatStorage, '0', 'cpu', 6)`: numbers in an entry of the archive.
  private mutating func storage(_ identifier: PickleValue) throws(SanaError) -> PickleValue {
    guard let parts = tuple(identifier), parts.count == 5, case .string("storage") = parts[0],
      case .global(.storage(let type)) = parts[1], case .string(let key) = parts[2],
      case .string = parts[3], case .integer(let count) = parts[4], (0...1 << 40).contains(count)
    else { throw malformed("refers to a storage in an unknown way") }
    return try heap.makeStorage(
      PickledStorage(key: key, type: type, elementCount: Int(count)))
  }

  private mutating func reduce(
    _ function: PickleValue, _ arguments: PickleValue
  ) throws(SanaError) -> PickleValue {
    guard case .global(let global) = function else {
      throw unsupported("calls \(function.kindName)")
    }
    let values = tuple(arguments) ?? []
    switch global {
    case .orderedDictionary where values.isEmpty: return try heap.makeDictionary()
    case .rebuildTensor where (6...7).contains(values.count):
      return try tensor(values)
    case .rebuildParameter where values.count == 3:
      if case .tensor = values[0] { return values[0] }
    case .size where values.count == 1:
      if sizes(values[0]) != nil { return values[0] }
    case .orderedDictionary, .rebuildTensor, .rebuildParameter, .size, .storage: break
    }
    throw unsupported("calls '\(global.name)' in a way that torch.save does not write")
  }

  /// `_rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata)`.
  private mutating func tensor(_ values: [PickleValue]) throws(SanaError) -> PickleValue {
    guard case .storage(let index) = values[0], case .integer(let offset) = values[1],
      (0...1 << 40).contains(offset), let shape = sizes(values[2]), let strides = sizes(values[3]),
      shape.count == strides.count
    else { throw malformed("rebuilds a tensor from something else than a storage and sizes") }
    let storage = heap.storages[index]
    var step = 1
    var isContiguous = true
    for (size, stride) in zip(shape, strides).reversed() {
      isContiguous = isContiguous && (size <= 1 || stride == step)
      let (product, overflow) = step.multipliedReportingOverflow(by: max(size, 1))
      guard !overflow, product <= 1 << 40 else {
        throw malformed("rebuilds a tensor that is too large")
      }
      step = product
    }
    let count = shape.contains(0) ? 0 : step
    isContiguous = isContiguous || count == 0
    guard !isContiguous || Int(offset) + count <= storage.elementCount else {
      throw malformed("rebuilds a tensor that reaches beyond its storage")
    }
    return try heap.makeTensor(
      PickledTensor(
        storage: storage, offset: Int(offset), shape: shape, strides: strides,
        isContiguous: isContiguous))
  }

  /// Attributes of an object. An `OrderedDict` of torch's has some (`_metadata`, versions of the modules), which nothing here needs.
  private mutating func build() throws(SanaError) {
    let state = try pop()
    guard case .dictionary = state, case .dictionary = try top() else {
      throw unsupported("uses the instruction BUILD on something else than an OrderedDict")
    }
  }
}

extension String {
  /// Fit for a message: short, and without control characters.
  var printable: String { abbreviated }
}
