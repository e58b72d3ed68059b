internal import SanaGraph
internal import SanaModels
internal import WeightFormats

/// What the numbers of some weights are like: those that are not finite, and the largest.
struct WeightSurvey {
  private var nonFiniteNames: [String] = []
  private(set) var largest: (name: String, value: Float)?

  /// The first weight with a number that is not finite, and how many others have some.
  var nonFinite: (name: String, others: Int)? {
    nonFiniteNames.first.map { ($0, nonFiniteNames.count - 1) }
  }

  /// Looks at a weight's numbers, or at the scales of its codes.
  mutating func add(_ weight: StoredTensor) {
    let magnitude: Float
    switch weight.description.encoding {
    case .f32: magnitude = Self.largest(weight.values)
    case .f16:
      magnitude = Float(Float16(bitPattern: Self.largestBits(weight.values, UInt16.self, 0x7FFF)))
    case .bf16:
      magnitude = Float(
        bitPattern: UInt32(Self.largestBits(weight.values, UInt16.self, 0x7FFF)) << 16)
    case .int8PerChannel, .int8Grouped, .int4Grouped:
      // Codes are small integers.
      magnitude = weight.scales.map(Self.largest) ?? 0
    case .plain: return
    }
    guard magnitude.isFinite else {
      nonFiniteNames.append(weight.description.name)
      return
    }
    if magnitude > (largest?.value ?? -1) {
      largest = (weight.description.name, magnitude)
    }
  }

  private static func largest(_ numbers: TensorBytes) -> Float {
    Float(bitPattern: largestBits(numbers, UInt32.self, 0x7FFF_FFFF))
  }

  /// The greatest of the numbers' bits without their sign, whose order is that of the magnitudes:
  /// infinity comes after all finite numbers, NaN after infinity.
  private static func largestBits<Bits: FixedWidthInteger & BitwiseCopyable>(
    _ numbers: TensorBytes, _ type: Bits.Type, _ mask: Bits
  ) -> Bits {
    withExtendedLifetime(numbers) {
      var largest: Bits = 0
      for index in 0..<numbers.bytes.count / MemoryLayout<Bits>.size {
        let bits = numbers.bytes.loadUnaligned(
          fromByteOffset: index * MemoryLayout<Bits>.size, as: type)
        largest = max(largest, bits & mask)
      }
      return largest
    }
  }
}
