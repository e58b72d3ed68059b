import CPUBackend
import ReferenceBackend
import SanaGraph
import Testing
import VulkanBackend
import WeightFormats

/// A device that must compute what operations are defined to be, and how near it has to come.
///
/// Tests of operations go through `all` and know nothing else of a device.
struct TestedDevice: Sendable, CustomTestStringConvertible {
  let name: String
  /// Makes the ways of running it that give the same bits, at least one.
  let makeBackends: @Sendable (ComputePrecision) throws -> [any Backend]
  /// Makes what defines its results.
  let makeReference: @Sendable (ComputePrecision) -> any Backend
  let tolerances: Tolerances
  /// Whether it multiplies int8 by int8 where weights are made for that; it refuses them otherwise.
  var multipliesInt8 = true

  var testDescription: String { name }

  /// Decibels that results must have, as in `signalToNoise`.
  struct Tolerances: Sendable {
    /// Products, convolutions and everything else in floating point.
    var floatingPoint = 110.0
    /// Products and convolutions with weights of bf16.
    var bfloatWeights = 110.0
    /// Products of int8 activations: what is left is the rounding of the scales, of the sum as f32
    /// and of the epilogue.
    var int8Products = 125.0
    var int8Convolutions = 110.0
  }

  /// Every device of this machine.
  static let all = InstructionSet.supported.map(cpu) + [vulkan]

  /// Those that multiply int8 by int8.
  static let int8 = all.filter(\.multipliesInt8)

  /// The first device of the system's Vulkan, which tests install in software.
  private static let vulkan = TestedDevice(
    name: "vulkan:0",
    makeBackends: { precision in
      try (0..<2).map { _ in try VulkanBackend(index: 0, precision: precision) }
    },
    makeReference: { ReferenceBackend(precision: $0) },
    tolerances: Tolerances(floatingPoint: 105, bfloatWeights: 105), multipliesInt8: false)

  private static func cpu(_ set: InstructionSet) -> TestedDevice {
    var tolerances = Tolerances(int8Convolutions: set.int8ConvolutionAgreement)
    // Where activations are rounded to bf16, each product is off by up to 2^-9; where they and the
    // weights become int16, by up to 2^-12 of the largest ones.
    switch set {
    case .avx512bf16: tolerances.bfloatWeights = 50
    case .avx2: tolerances.bfloatWeights = 60
    default: break
    }
    return TestedDevice(
      name: "cpu, \(set)",
      makeBackends: { precision in
        try [3, 1].map {
          try CPUBackend(threads: $0, precision: precision, instructionSet: set)
        }
      },
      makeReference: { ReferenceBackend(precision: $0, winograd: set.winogradTile) },
      tolerances: tolerances)
  }
}

extension InstructionSet {
  /// How near 3x3 convolutions of int8 activations are to their definition. The transforms of
  /// F(4x4, 3x3) round: so a number that lies between two codes, of 12 bits or so, may become
  /// either.
  var int8ConvolutionAgreement: Double { winogradTile == .fourByFour ? 85 : 110 }
}
