internal import Glibc
internal import Support

/// How far a computed tensor is from the reference, summed in double precision.
///
/// A NaN on either side, or an infinity on one, is an infinite error, never silently ignored.
public struct Comparison: Hashable, Sendable {
  public private(set) var count = 0
  /// Largest absolute difference of two elements.
  public private(set) var maximumAbsoluteError = 0.0
  private var referenceSquares = 0.0
  private var resultSquares = 0.0
  private var products = 0.0
  private var errorSquares = 0.0

  /// A comparison of nothing yet, to add parts to.
  public init() {}

  /// - Throws: `.tensorMismatch` when the counts differ.
  public init(reference: [Float], result: [Float]) throws {
    try add(reference: reference, result: result)
  }

  /// - Throws: `.tensorMismatch` when the counts differ.
  public init(reference: [UInt8], result: [UInt8]) throws {
    try Self.check(reference.count, result.count)
    for index in reference.indices { add(Double(reference[index]), Double(result[index])) }
  }

  /// Adds another part of the same tensor.
  /// - Throws: `.tensorMismatch` when the counts differ.
  public mutating func add(reference: [Float], result: [Float]) throws {
    try Self.check(reference.count, result.count)
    for index in reference.indices { add(Double(reference[index]), Double(result[index])) }
  }

  /// Signal-to-noise ratio, `10 log10(sum r^2 / sum (r - x)^2)`: infinite for equal tensors, minus infinity where the result is
  /// not finite.
  public var signalToNoiseDecibels: Double {
    if errorSquares == 0 { return .infinity }
    guard errorSquares.isFinite else { return -.infinity }
    return 10 * log10(referenceSquares / errorSquares)
  }

  /// Peak signal-to-noise ratio for numbers of which the largest possible is `peak`; 255 for 8-bit pictures.
  public func peakSignalToNoiseDecibels(peak: Double) -> Double {
    if errorSquares == 0 { return .infinity }
    guard errorSquares.isFinite else { return -.infinity }
    return 10 * log10(peak * peak * Double(count) / errorSquares)
  }

  /// Root mean square of the reference; 0 of nothing.
  public var referenceRootMeanSquare: Double {
    count > 0 ? (referenceSquares / Double(count)).squareRoot() : 0
  }

  /// Cosine of the angle between the two, taken as vectors: 1 for two zero vectors, 0 if only one is zero or the result is not
  /// finite.
  public var cosine: Double {
    if referenceSquares == 0 && resultSquares == 0 { return 1 }
    let cosine = products / (referenceSquares.squareRoot() * resultSquares.squareRoot())
    return cosine.isFinite ? cosine : 0
  }

  private mutating func add(_ reference: Double, _ result: Double) {
    count += 1
    referenceSquares += reference * reference
    resultSquares += result * result
    products += reference * result
    guard reference != result else { return }
    let difference = abs(reference - result)
    let error = difference.isNaN ? .infinity : difference
    errorSquares += error * error
    maximumAbsoluteError = max(maximumAbsoluteError, error)
  }

  private static func check(_ reference: Int, _ result: Int) throws {
    guard reference == result else {
      throw SanaError(
        .tensorMismatch, "\(result) elements cannot be compared with \(reference)",
        remedy: "compare results of the same model and size")
    }
  }
}
