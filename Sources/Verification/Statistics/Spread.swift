/// A measure over prompts and seeds: its mean with an interval of confidence, and its worst.
public struct Spread: Hashable, Sendable {
  /// Which end of the measure is the bad one.
  public enum Worse: Hashable, Sendable {
    case lower
    case higher
  }

  /// How many numbers there are, equal tensors and pictures among them.
  public let count: Int
  /// How many are infinite: what was compared is equal. They are part of no mean.
  public let equalCount: Int
  /// Of the finite numbers; nil where there are none.
  public let mean: Double?
  public let worst: Double?
  /// The 95 % interval of the mean, `mean ± t s / sqrt(n)` with Student's t; nil for fewer than two
  /// finite numbers.
  public let interval: ClosedRange<Double>?

  /// - Parameter range: the numbers that there can be.
  public init(
    _ numbers: [Double], worse: Worse = .lower,
    within range: ClosedRange<Double> = -.infinity ... .infinity
  ) {
    // Broken results, minus infinity, are the worst there are.
    let finite = numbers.filter { $0 < .infinity }
    count = numbers.count
    equalCount = numbers.count - finite.count
    worst = worse == .lower ? finite.min() : finite.max()
    guard !finite.isEmpty else {
      mean = nil
      interval = nil
      return
    }
    let mean = finite.reduce(0, +) / Double(finite.count)
    self.mean = mean
    guard finite.count > 1, mean.isFinite else {
      interval = nil
      return
    }
    let squares = finite.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let deviation = (squares / Double(finite.count - 1)).squareRoot()
    let half =
      Self.studentQuantile(freedom: finite.count - 1) * deviation
      / Double(finite.count).squareRoot()
    interval = (mean - half...mean + half).clamped(to: range)
  }

  /// The 97.5 % quantile of Student's distribution.
  private static func studentQuantile(freedom: Int) -> Double {
    guard freedom > quantiles.count else { return quantiles[freedom - 1] }
    // Cornish and Fisher's expansion about the normal quantile.
    let z = 1.959964
    let n = Double(freedom)
    return z + (z * z * z + z) / (4 * n)
      + (5 * z * z * z * z * z + 16 * z * z * z + 3 * z) / (96 * n * n)
  }

  private static let quantiles = [
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
  ]
}
