internal import CKernels
internal import Foundation
public import Support

/// How far a tensor moved when its encoding changed, after gemma.cpp's `DistortionStats`: several
/// measures, because each sees something else. Sums are kept in double precision and added in a
/// fixed order.
public struct DistortionStatistics: Hashable, Sendable {
  public private(set) var elementCount = 0
  /// Sum of the squares of the original.
  private var signal = 0.0
  /// Sum of the squares of the error.
  private var noise = 0.0
  private var product = 0.0
  /// Sum of the squares of the result.
  private var energy = 0.0
  /// The largest `|x - y|`; NaN where one of the two is NaN or both are infinite.
  public private(set) var largestError: Float = 0
  /// Elements that were not zero and became zero.
  public private(set) var roundedToZero = 0
  /// Elements that have other bits than before.
  public private(set) var changed = 0

  public init() {}

  /// - Precondition: both have the same count.
  public init(original: UnsafeBufferPointer<Float>, decoded: UnsafeBufferPointer<Float>) {
    precondition(original.count == decoded.count)
    guard let x = original.baseAddress, let y = decoded.baseAddress else { return }
    let sums = sana_measure_distortion(x, y, original.count)
    elementCount = original.count
    signal = sums.signal
    noise = sums.noise
    product = sums.product
    energy = sums.energy
    largestError = sums.largest_error
    roundedToZero = Int(sums.rounded_to_zero)
    changed = Int(sums.changed)
  }

  /// Adds what was found in another part of the tensor.
  public mutating func add(_ other: DistortionStatistics) {
    elementCount += other.elementCount
    signal += other.signal
    noise += other.noise
    product += other.product
    energy += other.energy
    // A NaN, the mark of numbers that are not finite, wins.
    largestError =
      largestError.isNaN || other.largestError.isNaN ? .nan : max(largestError, other.largestError)
    roundedToZero += other.roundedToZero
    changed += other.changed
  }

  /// `10 log10(sum(x^2) / sum((x - y)^2))`; infinite when nothing moved, NaN where
  /// something is not finite.
  public var signalToNoise: Double {
    noise == 0 ? .infinity : 10 * log10(signal / noise)
  }

  /// Cosine of the angle between original and result; 1 for two zero tensors.
  public var cosine: Double {
    if signal == 0, energy == 0 { return 1 }
    let lengths = (signal * energy).squareRoot()
    return lengths == 0 ? 0 : min(product / lengths, 1)
  }

  /// Share of all elements that were not zero and became zero.
  public var roundedToZeroShare: Double {
    elementCount == 0 ? 0 : Double(roundedToZero) / Double(elementCount)
  }

  /// What a `.sana` file keeps of it.
  public var metadata: MetadataValue {
    .object([
      .init("snr_db", .number(signalToNoise)),
      .init("max_abs_error", .number(Double(largestError))),
      .init("rounded_to_zero", .number(roundedToZeroShare)),
      .init("cosine", .number(cosine)),
    ])
  }
}
