import CKernels
import CPUBackend
import SanaEngine
import SanaGraph
import TestSupport
import Testing

@Suite struct ConversionTests {
  /// The value of a half precision number by its definition.
  private func value(ofHalf half: UInt16) -> Double {
    let sign: Double = half & 0x8000 == 0 ? 1 : -1
    let exponent = Int(half >> 10 & 0x1f)
    let fraction = Double(half & 0x3ff) / 1024
    switch exponent {
    case 0: return sign * fraction * 0x1p-14
    case 31: return fraction == 0 ? sign * .infinity : .nan
    default:
      return sign * (1 + fraction) * Double(sign: .plus, exponent: exponent - 15, significand: 1)
    }
  }

  @Test(arguments: InstructionSet.supported) func everyHalfWidensExactlyAndComesBack(
    _ set: InstructionSet
  ) {
    let kernels = set.kernels
    let halves = (0...UInt16.max).map { $0 }
    var floats = [Float](repeating: 0, count: halves.count)
    kernels.f16_to_f32(halves, &floats, halves.count)
    var back = [UInt16](repeating: 0, count: halves.count)
    kernels.f32_to_f16(floats, &back, floats.count)
    for half in halves {
      let expected = value(ofHalf: half)
      let actual = Double(floats[Int(half)])
      if expected.isNaN {
        #expect(actual.isNaN)
        #expect(value(ofHalf: back[Int(half)]).isNaN)
      } else {
        #expect(actual == expected && back[Int(half)] == half)
      }
    }
  }

  @Test(arguments: InstructionSet.supported) func narrowingRoundsToNearestEven(
    _ set: InstructionSet
  ) {
    let kernels = set.kernels
    // Halfway points between neighbours, and their neighbours in f32.
    var inputs: [Float] = [
      65504, 65519.996, 65520, 1e10, -.infinity, 0x1p-25, 0x1.000002p-25, 0x1p-26,
    ]
    for half in stride(from: UInt16(0), to: 0x7bff, by: 7) {
      let middle = Float((value(ofHalf: half) + value(ofHalf: half + 1)) / 2)
      inputs += [middle, middle.nextUp, -middle.nextDown]
    }
    var halves = [UInt16](repeating: 0, count: inputs.count)
    kernels.f32_to_f16(inputs, &halves, inputs.count)
    for (input, half) in zip(inputs, halves) {
      #expect(half == roundedHalf(input), "\(input)")
    }
  }

  /// Searches the nearest half; the sign is kept, ties go to the even code.
  private func roundedHalf(_ input: Float) -> UInt16 {
    let magnitude = Double(abs(input))
    let sign: UInt16 = input.sign == .minus ? 0x8000 : 0
    guard magnitude < 65520 else { return sign | 0x7c00 }
    var low: UInt16 = 0
    var high: UInt16 = 0x7bff
    while low < high {
      let middle = low + (high - low + 1) / 2
      if value(ofHalf: middle) <= magnitude { low = middle } else { high = middle - 1 }
    }
    let below = magnitude - value(ofHalf: low)
    let above = low == 0x7bff ? 65536 - magnitude : value(ofHalf: low + 1) - magnitude
    let up = above < below || (above == below && low & 1 == 1)
    return sign | (up ? low + 1 : low)
  }

  @Test(arguments: InstructionSet.supported) func bfloatsWidenAndRound(_ set: InstructionSet) {
    let kernels = set.kernels
    let inputs: [Float] = [
      0, -0.0, 1, 1.00390625, 1.01171875, 3.4e38, .greatestFiniteMagnitude, .infinity, -.infinity,
      .nan, Float(bitPattern: 0x7f80_0001), Float(bitPattern: 0x1_1111), -1.0000001, 2.5, 1e-3,
      12345.678, -7e-9, 0.1,
      0.2,
    ]
    var narrow = [UInt16](repeating: 0, count: inputs.count)
    kernels.f32_to_bf16(inputs, &narrow, inputs.count)
    var wide = [Float](repeating: 0, count: inputs.count)
    kernels.bf16_to_f32(narrow, &wide, narrow.count)
    for (input, output) in zip(inputs, wide) {
      if input.isNaN {
        #expect(output.isNaN)
        continue
      }
      let below = Float(bitPattern: input.bitPattern & 0xffff_0000)
      let above = Float(bitPattern: below.bitPattern &+ 0x1_0000)
      let remainder = input.bitPattern & 0xffff
      let odd = below.bitPattern & 0x1_0000 != 0
      #expect(output == (remainder > 0x8000 || (remainder == 0x8000 && odd) ? above : below))
    }
  }
}

@Suite struct NotFiniteCountTests {
  /// Counts with a plain loop over the bits and with every kernel, at every length up to two
  /// vectors and at addresses that are not aligned.
  private func check<Bits: FixedWidthInteger & UnsignedInteger>(
    _ set: InstructionSet, exponent: Bits, least: Bits? = nil,
    _ count: (UnsafeRawPointer, Int) -> Int
  ) {
    var random = SplitMix(seed: 7)
    let size = MemoryLayout<Bits>.size
    var numbers = (0..<4096).map { _ in
      Bits.random(in: .min ... .max, using: &random)
        | (Int.random(in: 0..<9, using: &random) == 0 ? exponent : 0)
    }
    // Zeros, the largest finite numbers, infinities and NaN, of either sign.
    let sign: Bits = 1 << (Bits.bitWidth - 1)
    let largest = exponent - 1
    numbers += [0, sign, largest, largest | sign, exponent, exponent | sign, .max, exponent + 1]
    let least = least ?? exponent
    numbers += [least - 1, least, least | sign]
    numbers += repeatElement(exponent, count: 70)
    for start in [0, 1, 3, 4077] {
      for length in Array(0...129) + [numbers.count - start]
      where start + length <= numbers.count {
        let part = numbers[start..<start + length]
        let expected = part.count { $0 & ~sign >= least }
        var bytes = [UInt8](repeating: 0, count: 1 + length * size)
        part.withContiguousStorageIfAvailable { part in
          bytes.replaceSubrange(1..., with: UnsafeRawBufferPointer(part))
        }
        let found = bytes.withUnsafeBytes { $0.baseAddress.map { count($0 + 1, length) } }
        #expect(found == expected, "\(set) \(Bits.self) \(start) \(length)")
      }
    }
  }

  @Test(arguments: InstructionSet.supported) func everyTypeIsCounted(_ set: InstructionSet) {
    let kernels = set.kernels
    check(set, exponent: UInt16(0x7C00)) { kernels.count_not_finite_f16($0, $1) }
    check(set, exponent: UInt16(0x7F80)) { kernels.count_not_finite_bf16($0, $1) }
    check(set, exponent: UInt32(0x7F80_0000)) { kernels.count_not_finite_f32($0, $1) }
    // What becomes infinite as f32 counts.
    let least = (Double(Float.greatestFiniteMagnitude) + 0x1p103).bitPattern
    #expect(
      Float(Double(bitPattern: least)).isInfinite && Float(Double(bitPattern: least - 1)).isFinite)
    check(set, exponent: 0x7FF0_0000_0000_0000, least: least) {
      kernels.count_not_finite_f64($0, $1)
    }
  }

  /// More than a lane of 16 bits could count.
  @Test(arguments: InstructionSet.supported) func manyAreCounted(_ set: InstructionSet) {
    let numbers = [UInt16](repeating: 0xFFFF, count: (3 << 20) + 5)
    #expect(set.kernels.count_not_finite_f16(numbers, numbers.count) == numbers.count)
    #expect(set.kernels.count_not_finite_bf16(numbers, numbers.count) == numbers.count)
  }
}

@Suite struct InstructionSetTests {
  @Test func namesAreThoseOfTheKernels() {
    for set in InstructionSet.supported {
      var found = SANA_ISA_PORTABLE
      #expect(sana_isa_from_name(set.rawValue, &found) && found == set.kernels.isa)
      #expect(String(cString: sana_isa_name(found)) == set.rawValue)
    }
    var untouched = SANA_ISA_AVX2
    #expect(!sana_isa_from_name("mmx", &untouched) && untouched == SANA_ISA_AVX2)
  }
}
