import TestSupport
import CKernels
import Testing

@Suite struct ContainerBitshuffleTests {
  /// The definition of the filter, bit by bit.
  private static func definition(_ bytes: [UInt8], elementByteCount: Int) -> [UInt8] {
    let elements = bytes.count / elementByteCount / 8 * 8
    var result = bytes
    for index in 0..<elements * elementByteCount { result[index] = 0 }
    for element in 0..<elements {
      for bit in 0..<8 * elementByteCount {
        let value = bytes[element * elementByteCount + bit / 8] >> UInt8(bit % 8) & 1
        result[bit * elements / 8 + element / 8] |= value << UInt8(element % 8)
      }
    }
    return result
  }

  private static let instructionSets: [sana_isa] =
    [SANA_ISA_PORTABLE, SANA_ISA_AVX2, SANA_ISA_AVX512].filter {
      $0 == SANA_ISA_PORTABLE
        || $0.rawValue <= sana_cpu_best_isa().rawValue
          && sana_cpu_best_isa().rawValue < SANA_ISA_NEON.rawValue
    }

  @Test(arguments: [1, 2, 4, 8])
  func everyInstructionSetFollowsTheDefinitionAndComesBack(_ elementByteCount: Int) {
    var random = SplitMix(seed: 1)
    for count in [0, 1, 7, 8, 63, 64, 65, 512, 1023, 4096, 4097, 10_007] {
      let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
      let expected = Self.definition(bytes, elementByteCount: elementByteCount)
      for instructionSet in Self.instructionSets {
        var shuffled = [UInt8](repeating: 0, count: count)
        var restored = shuffled
        sana_bitshuffle_with(instructionSet, bytes, &shuffled, count, elementByteCount)
        #expect(shuffled == expected, "\(count) bytes")
        sana_bitunshuffle_with(instructionSet, shuffled, &restored, count, elementByteCount)
        #expect(restored == bytes, "\(count) bytes")
      }
    }
  }
}
