import Support
import TestSupport
import Testing
import WeightFormats

/// Pickles that do something when Python loads them, or break a careless reader. Here the names
/// that they call stay names, and what is broken is an error.
@Suite struct PickleAttackTests {
  private func error(_ bytes: [UInt8]) throws -> SanaError {
    try #require(throws: SanaError.self) {
      try bytes.withUnsafeBytes { try PickleMachine.run($0, location: "attack.pth") }
    }
  }

  private func root(_ bytes: [UInt8]) throws -> PickleValue {
    try bytes.withUnsafeBytes { try PickleMachine.run($0, location: "attack.pth").root }
  }

  /// What a value is opaque as; `nil` where it is not.
  private func opaque(_ bytes: [UInt8]) throws -> String? {
    if case .opaque(let name) = try root(bytes) { name } else { nil }
  }

  @Test(arguments: [
    ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "exec"),
    ("builtins", "getattr"), ("subprocess", "Popen"), ("torch", "load"), ("numpy", "fromfile"),
    ("torch.hub", "load"), ("__builtin__", "eval"), ("torch", "QInt8Storage"), ("", ""),
    ("collections", "OrderedDict.__init__"),
  ])
  func namesAreNeverFollowed(module: String, name: String) throws {
    let called = PickleSample.of {
      $0.global(module, name)
      $0.string("id")
      $0.code(0x85, 0x52)
    }
    #expect(try opaque(called) == "\(module).\(name)")
    let stacked = PickleSample.of {
      $0.string(module)
      $0.string(name)
      $0.code(0x93)
    }
    #expect(try opaque(stacked) == "\(module).\(name)")
    // Attributes, items and further calls are dropped.
    let treated = PickleSample.of {
      $0.global(module, name)
      $0.code(0x7D, 0x62, 0x4E, 0x61, 0x28, 0x4E, 0x4E, 0x75, 0x29, 0x52, 0x29, 0x81)
    }
    #expect(try opaque(treated) == "\(module).\(name)")
    // As a file, it is one that holds no tensors, and as one of the weights it is no tensor.
    let file = MappedFile(contents: TorchSample.file(called), path: "attack.pth")
    let error = try #require(throws: SanaError.self) { try TorchFile(file) }
    #expect(error.message == "holds an object of '\(module).\(name)', not a dictionary of tensors")
    let weights = PickleSample.of {
      $0.code(0x7D)
      $0.string("weight")
      $0.tensor([1], storage: "ByteStorage", key: "0", count: 1)
      $0.code(0x73)
      $0.string("bias")
      $0.call(module, name, with: ["id"])
      $0.code(0x73)
    }
    let inside = try #require(throws: SanaError.self) {
      try TorchFile(MappedFile(contents: TorchSample.file(weights, storages: [[1]]), path: "x"))
    }
    #expect(inside.message.hasPrefix("holds an object of '\(module).\(name)' as 'bias', not a"))
  }

  @Test(
    arguments: [
      ([0x28, 0x69, 0x6F, 0x73, 0x0A, 0x78, 0x0A], "os.x"),  // INST
      ([0x28, 0x63, 0x6F, 0x73, 0x0A, 0x78, 0x0A, 0x6F], "os.x"),  // OBJ
      ([0x63, 0x6F, 0x73, 0x0A, 0x78, 0x0A, 0x29, 0x81], "os.x"),  // NEWOBJ
      ([0x63, 0x6F, 0x73, 0x0A, 0x78, 0x0A, 0x29, 0x7D, 0x92], "os.x"),  // NEWOBJ_EX
      ([0x82, 7], "extension 7"), ([0x83, 1, 1], "extension 257"),
      ([0x84, 1, 0, 0, 0], "extension 1"), ([0x50, 0x78, 0x0A], "x"),
      ([0x42, 1, 0, 0, 0, 9], "bytes"), ([0x43, 1, 9], "bytes"),
      ([0x8E, 1, 0, 0, 0, 0, 0, 0, 0, 9], "bytes"), ([0x96, 0, 0, 0, 0, 0, 0, 0, 0], "bytes"),
      ([0x8F, 0x28, 0x4E, 0x90], "set"), ([0x28, 0x4E, 0x91], "frozenset"),
      ([0x8B, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "int"),
    ] as [([UInt8], String)])
  func instructionsThatMakeObjectsMakeOpaqueOnes(_ code: [UInt8], _ name: String) throws {
    #expect(try opaque([0x80, 2] + code + [0x2E]) == name)
  }

  @Test func textOfOlderProtocolsIsRead() throws {
    func number(_ text: String, _ code: UInt8) throws -> PickleValue {
      try root([0x80, 2, code] + Array(text.utf8) + [0x0A, 0x2E])
    }
    guard case .integer(-12) = try number("-12", 0x49), case .bool(true) = try number("01", 0x49),
      case .integer(3) = try number("3L", 0x4C), case .number(2.5) = try number("2.5", 0x46),
      case .string("a b") = try number("a b", 0x56), case .string("c") = try number("'c'", 0x53),
      case .opaque("bytes") = try number("'\\x00'", 0x53),
      case .string("d") = try root([0x80, 2, 0x55, 1, 0x64, 0x2E]),
      case .integer(5) = try root([0x80, 2, 0x8B, 1, 0, 0, 0, 5, 0x2E]),
      case .integer(1) = try root(
        [0x80, 2, 0x4B, 1, 0x70, 0x37, 0x0A, 0x30, 0x67, 0x37, 0x0A, 0x2E])
    else {
      Issue.record("another value")
      return
    }
  }

  @Test(arguments: [(0x97, "NEXT_BUFFER"), (0x98, "READONLY_BUFFER")])
  func buffersOutsideOfThePickleAreRefused(code: UInt8, name: String) throws {
    let error = try error([0x80, 5, 0x4E, code, 0x2E])
    #expect(error.code == .unsupported)
    #expect(error.message.contains("uses the instruction \(name) (at byte 3)"))
  }

  @Test func onlyKnownCallsAreUnderstood() throws {
    let onString = PickleSample.of {
      $0.string("system")
      $0.code(0x29, 0x52)
    }
    #expect(try opaque(onString) == "str")
    let storage = PickleSample.of {
      $0.global("torch", "FloatStorage")
      $0.code(0x29, 0x52)
    }
    #expect(try opaque(storage) == "torch storage type")
    let filled = PickleSample.of {
      $0.global("collections", "OrderedDict")
      $0.code(0x5D, 0x85, 0x52)
    }
    guard case .dictionary = try root(filled) else {
      Issue.record("an OrderedDict of no pairs is a dictionary")
      return
    }
    let built = PickleSample.of { $0.code(0x5D, 0x7D, 0x62) }
    #expect(try opaque(built) == "list")
    let unknown = PickleSample.of {
      $0.tensor([1], storage: "ComplexFloatStorage", key: "0", count: 1)
    }
    #expect(try opaque(unknown) == "torch.ComplexFloatStorage")
  }

  @Test(
    arguments: [
      [], [0x80], [0x80, 1, 0x2E], [0x80, 6, 0x2E], [0x7D, 0x2E], [0x80, 2], [0x80, 2, 0x2E],
      [0x80, 2, 0x52, 0x2E], [0x80, 2, 0x74, 0x2E], [0x80, 2, 0x28, 0x2E], [0x80, 2, 0x30],
      [0x80, 2, 0x7D, 0x2E, 0x2E], [0x80, 2, 0x68, 0], [0x80, 2, 0x6A, 255, 255, 255, 255],
      [0x80, 2, 0x58, 255, 255, 255, 255, 0x41], [0x80, 2, 0x8C, 1, 0xFF, 0x2E],
      [0x80, 4, 0x8D, 255, 255, 255, 255, 255, 255, 255, 255], [0x80, 2, 0x63, 0x41, 0x0A],
      [0x80, 4, 0x95, 255, 255, 255, 255, 255, 255, 255, 127, 0x2E], [0x80, 2, 0xFF],
      [0x80, 2, 0x4E, 0x4E, 0x73, 0x2E], [0x80, 2, 0x7D, 0x28, 0x4E, 0x75, 0x2E],
      [0x80, 2, 0x4E, 0x51, 0x2E], [0x80, 2, 0x8A, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0x2E],
      [0x80, 2, 0x43, 2, 9, 0x2E], [0x80, 2, 0x42, 255, 255, 255, 255, 0x2E],
      [0x80, 4, 0x96, 255, 255, 255, 255, 255, 255, 255, 255, 0x2E], [0x80, 2, 0x28, 0x6F, 0x2E],
      [0x80, 2, 0x4E, 0x28, 0x4E, 0x90, 0x2E], [0x80, 2, 0x49, 0x31, 0x2E],
      [0x80, 2, 0x4E, 0x92, 0x2E],
      [0x80, 2, 0x4E, 0x28, 0x85, 0x2E], [0x80, 2, 0x71, 0, 0x2E], [0x80, 2, 0x80, 2, 0x2E],
    ] as [[UInt8]])
  func brokenPicklesAreErrors(_ bytes: [UInt8]) throws { _ = try error(bytes) }

  @Test func impossibleSizesAreErrors() throws {
    for (shape, strides) in [
      ([Int.max, 2], [2, 1]), ([1 << 40, 1 << 40], [1 << 40, 1]), ([-1], [1]), ([2], [-1]),
      ([2, 2], [1]), ([1 << 39], [1]),
    ] {
      let pickle = PickleSample.of {
        $0.tensor(shape, storage: "FloatStorage", key: "0", count: 4, strides: strides)
      }
      #expect(try error(pickle).code == .malformedFile)
    }
  }

  @Test func deepNestingAndSelfReferenceAreHarmless() throws {
    let count = 100_000
    var nested: [UInt8] = [0x80, 2]
    nested += [UInt8](repeating: 0x5D, count: count) + [UInt8](repeating: 0x61, count: count - 1)
    nested.append(0x2E)
    #expect(throws: Never.self) {
      try nested.withUnsafeBytes { try PickleMachine.run($0, location: "") }
    }
    // A list that holds itself.
    let cyclic: [UInt8] = [0x80, 2, 0x5D, 0x71, 0, 0x68, 0, 0x61, 0x2E]
    #expect(throws: Never.self) {
      try cyclic.withUnsafeBytes { try PickleMachine.run($0, location: "") }
    }
  }

  @Test func doublingIsBounded() throws {
    // Tuples of two tuples, thirty times: a billion leaves for who unfolds them.
    var bytes: [UInt8] = [0x80, 2, 0x29]
    for _ in 0..<30 { bytes += [0x32, 0x86] }
    bytes.append(0x2E)
    #expect(throws: Never.self) {
      try bytes.withUnsafeBytes { try PickleMachine.run($0, location: "") }
    }
    let many = [0x80, 2] + [UInt8](repeating: 0x4E, count: 2 << 20)
    #expect(try error(many).message.contains("too many values"))
  }
}
