internal import CLibFuzzer
internal import TestSupport

/// Random choices for one new input, and libFuzzer's own mutations for parts of it.
struct Mutator {
  /// Most bytes of the input.
  let limit: Int
  private var random: SplitMix

  init(seed: UInt32, limit: Int) {
    random = SplitMix(seed: UInt64(seed))
    self.limit = limit
  }

  mutating func chance(_ part: Int, of whole: Int) -> Bool { below(whole) < part }

  mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<max(bound, 1), using: &random) }

  mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }

  /// A number from the edges of what fields can hold, or near another.
  mutating func number(near value: Int64 = 0) -> Int64 {
    switch below(4) {
    case 0: value &+ Int64(below(17)) &- 8
    case 1: Int64(below(300)) - 20
    case 2:
      pick([0, 1, -1, .max, .min, 1 << 31, 1 << 32, 1 << 40, (1 << 40) + 1, 1 << 53, 1 << 62])
    default: (1 << Int64(below(63))) &+ Int64(below(3)) &- 1
    }
  }

  /// libFuzzer's mutation.
  func mutate(_ bytes: [UInt8]) -> [UInt8] {
    let room = max(min(limit, bytes.count + 256), 1)
    var memory = bytes + [UInt8](repeating: 0, count: max(room - bytes.count, 0))
    let count = memory.withUnsafeMutableBufferPointer {
      LLVMFuzzerMutate($0.baseAddress, min(bytes.count, room), room)
    }
    return Array(memory.prefix(count))
  }

  /// libFuzzer's mutation of a part.
  func mutate(_ bytes: [UInt8], in range: Range<Int>) -> [UInt8] {
    bytes[..<range.lowerBound] + mutate(Array(bytes[range])) + bytes[range.upperBound...]
  }
}

func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}
