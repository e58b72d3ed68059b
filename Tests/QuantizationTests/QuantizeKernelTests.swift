import CKernels
import Testing

/// The C kernels against their definitions, on every instruction set of this machine.
@Suite struct QuantizeKernelTests {
  static let instructionSets = [
    SANA_ISA_PORTABLE, SANA_ISA_AVX2, SANA_ISA_AVX512, SANA_ISA_AVX512_VNNI, SANA_ISA_NEON,
    SANA_ISA_NEON_DOTPROD, SANA_ISA_NEON_I8MM,
  ].filter { sana_cpu_supports($0) }

  private func quantize(
    _ input: [Float], rows: Int, group: Int? = nil, limit: Int32 = 127, with isa: sana_isa
  ) -> (done: Int, codes: [Int8], scales: [Float]) {
    let columns = input.count / rows
    let group = group ?? columns
    var codes = [Int8](repeating: 99, count: input.count)
    var scales = [Float](repeating: -1, count: rows * ((columns + group - 1) / group))
    let done = sana_kernels_for(isa).pointee.quantize_rows(
      input, rows, columns, group, limit, &codes, &scales)
    return (done, codes, scales)
  }

  @Test(
    arguments: [(127, 33, nil), (127, 100, 32), (7, 70, 16), (127, 1, nil), (7, 31, 8)]
      as [(Int32, Int, Int?)])
  func codesAreTheNearestMultiplesOfTheScale(_ limit: Int32, _ columns: Int, _ group: Int?) {
    let input = QuantizationSamples.numbers(3 * columns)
    let size = group ?? columns
    for isa in Self.instructionSets {
      let (done, codes, scales) = quantize(
        input, rows: 3, group: group, limit: limit, with: isa)
      #expect(done == 3)
      var groupIndex = 0
      for row in 0..<3 {
        for begin in stride(from: 0, to: columns, by: size) {
          let range = row * columns + begin..<row * columns + min(begin + size, columns)
          let largest = input[range].map(\.magnitude).max() ?? 0
          #expect(scales[groupIndex] == largest / Float(limit))
          for index in range {
            let expected = (input[index] / scales[groupIndex]).rounded(.toNearestOrEven)
            #expect(Float(codes[index]) == max(min(expected, Float(limit)), -Float(limit)))
          }
          groupIndex += 1
        }
      }
    }
  }

  @Test func tiesGoToTheEvenCode() {
    // Scale 1: the codes are the rounded numbers.
    let input: [Float] = [127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5, -126.5, 3.4999998, -127]
    for isa in Self.instructionSets {
      let (_, codes, scales) = quantize(input, rows: 1, with: isa)
      #expect(scales == [1])
      #expect(codes == [127, 0, 2, 2, 0, -2, -2, 126, -126, 3, -127])
    }
  }

  @Test func rowsOfZerosAndOfSubnormalsBecomeZeros() {
    let small = Float.leastNonzeroMagnitude * 70_000
    let input: [Float] = [0, 0, -0.0, small, -small, 0, 1, 0, -1]
    for isa in Self.instructionSets {
      let (done, codes, scales) = quantize(input, rows: 3, with: isa)
      #expect(done == 3)
      #expect(scales == [0, 0, Float(1) / 127])
      #expect(codes == [0, 0, 0, 0, 0, 0, 127, 0, -127])
    }
  }

  @Test func theLargestFiniteNumbersAreQuantized() {
    let largest = Float.greatestFiniteMagnitude
    for isa in Self.instructionSets {
      let (done, codes, _) = quantize([largest, -largest, 0], rows: 1, with: isa)
      #expect(done == 1)
      #expect(codes == [127, -127, 0])
    }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity, -.nan, .signalingNaN])
  func theRowWithWhatIsNoNumberIsFound(_ bad: Float) {
    for position in [0, 15, 16, 47, 48] {
      var input = QuantizationSamples.numbers(4 * 49)
      input[2 * 49 + position] = bad
      for isa in Self.instructionSets {
        #expect(quantize(input, rows: 4, with: isa).done == 2)
        #expect(quantize(input, rows: 4, group: 16, with: isa).done == 2)
        #expect(
          !sana_kernels_for(isa).pointee.largest_magnitude(input, input.count).isFinite)
      }
    }
  }

  @Test func dequantizingMultipliesByTheScaleOfTheGroup() {
    let codes = (0..<2 * 70).map { Int8(truncatingIfNeeded: $0 * 7 - 60) }
    let scales: [Float] = [0.5, 0.25, 3, 1, 0, 1e-3]
    for isa in Self.instructionSets {
      var output = [Float](repeating: .nan, count: codes.count)
      sana_kernels_for(isa).pointee.dequantize_rows(codes, scales, 2, 70, 32, &output)
      for (index, value) in output.enumerated() {
        #expect(value == Float(codes[index]) * scales[index / 70 * 3 + index % 70 / 32])
      }
    }
  }

  @Test(arguments: [1, 2, 7, 8, 33])
  func int4CodesComeBackFromTheirNibbles(_ columns: Int) {
    let codes = (0..<3 * columns).map { Int8($0 % 15 - 7) }
    var packed = [UInt8](repeating: 0, count: 3 * ((columns + 1) / 2))
    sana_pack_int4(codes, 3, columns, &packed)
    #expect(packed[0] & 15 == UInt8(codes[0] + 8))
    if columns > 1 { #expect(packed[0] >> 4 == UInt8(codes[1] + 8)) }
    var unpacked = [Int8](repeating: 99, count: codes.count)
    sana_unpack_int4(packed, 3, columns, &unpacked)
    #expect(unpacked == codes)
  }

  @Test func everyInstructionSetMeasuresTheSameDistortionToTheLastBit() {
    let original = QuantizationSamples.numbers(10_007)
    let decoded = original.map { ($0 * 50).rounded() / 50 }
    let expected = sana_kernels_for(SANA_ISA_PORTABLE).pointee.measure_distortion(
      original, decoded, original.count)
    for isa in Self.instructionSets {
      let found = sana_kernels_for(isa).pointee.measure_distortion(
        original, decoded, original.count)
      #expect(found.signal == expected.signal)
      #expect(found.noise == expected.noise)
      #expect(found.product == expected.product)
      #expect(found.energy == expected.energy)
      #expect(found.largest_error == expected.largest_error)
      #expect(found.rounded_to_zero == expected.rounded_to_zero)
      #expect(found.changed == expected.changed)
    }
  }
}
