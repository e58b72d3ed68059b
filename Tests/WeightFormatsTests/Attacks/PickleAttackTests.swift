import TestSupport
import Testing
import WeightFormats

/// Pickles that do something when Python loads them, or break a careless reader. Here each is an error and nothing else.
@Suite struct PickleAttackTests {
  private func error(_ bytes: [UInt8]) throws -> SanaError {
    try #require(throws: SanaError.self) {
      try bytes.withUnsafeBytes { try PickleMachine.run($0, location: "attack.pth") }
    }
  }

  @Test(arguments: [
    ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "exec"),
    ("builtins", "getattr"), ("subprocess", "Popen"), ("torch", "load"), ("numpy", "fromfile"),
    ("torch.hub", "load"), ("__builtin__", "eval"), ("torch", "DoubleStorage"), ("", ""),
    ("collections", "OrderedDict.__init__"),
  ])
  func namesAreNeverFollowed(module: String, name: String) throws {
    let called = PickleSample.of {
      $0.global(module, name)
      $0.string("id")
      $0.code(0x85, 0x52)
    }
    #expect(try error(called).message.contains("names '\(module).\(name)' at byte 2, which"))
    let stacked = PickleSample.of {
      $0.string(module)
      $0.string(name)
      $0.code(0x93)
    }
    #expect(try error(stacked).message.contains("names '\(module).\(name)' at byte"))
  }

  @Test(arguments: [
    (0x69, "INST"), (0x6F, "OBJ"), (0x81, "NEWOBJ"), (0x82, "EXT1"), (0x83, "EXT2"),
    (0x84, "EXT4"), (0x92, "NEWOBJ_EX"), (0x50, "PERSID"), (0x97, "NEXT_BUFFER"),
    (0x53, "STRING"), (0x49, "INT"), (0x8B, "LONG4"),
  ])
  func instructionsThatMakeObjectsAreRefused(code: UInt8, name: String) throws {
    let error = try error([0x80, 2, 0x7D, code, 0x2E])
    #expect(error.code == .unsupported)
    #expect(error.message.contains("uses the instruction \(name) at byte 3"))
  }

  @Test func onlyKnownCallsAreUnderstood() throws {
    let onString = PickleSample.of {
      $0.string("system")
      $0.code(0x29, 0x52)
    }
    #expect(try error(onString).message.contains("calls a string at byte"))
    let storage = PickleSample.of {
      $0.global("torch", "FloatStorage")
      $0.code(0x29, 0x52)
    }
    #expect(try error(storage).message.contains("calls 'torch storage type'"))
    let filled = PickleSample.of {
      $0.global("collections", "OrderedDict")
      $0.code(0x5D, 0x85, 0x52)
    }
    #expect(try error(filled).message.contains("'collections.OrderedDict' in a way"))
    let built = PickleSample.of { $0.code(0x5D, 0x7D, 0x62) }
    #expect(try error(built).message.contains("BUILD"))
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
      [0x80, 2, 0x4E, 0x51, 0x2E], [0x80, 2, 0x8A, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x2E],
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
