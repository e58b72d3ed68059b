internal import SanaGraph

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// PyTorch's CPU generator: the numbers of `torch.randn(..., generator=torch.Generator("cpu").manual_seed(seed))` in float32, so
/// that a seed gives the same picture as the official pipeline.
///
/// PyTorch has two algorithms. Tensors of 16 numbers and more are filled with uniform numbers first, which the Box-Muller
/// transform then replaces in blocks of 16 (`normal_fill`); smaller ones draw pair by pair in double precision and keep the
/// second number of a pair for the next call (`normal_distribution<double>`). The logarithm and the sine may differ from PyTorch's
/// vector versions in the last places.
public struct NormalGenerator: Sendable {
  private var engine: MersenneTwister
  /// The second number of the last pair, until a small tensor takes it.
  private var cached: Double?

  /// - Parameter seed: PyTorch uses its low 32 bits.
  public init(seed: UInt64) {
    engine = MersenneTwister(seed: UInt32(truncatingIfNeeded: seed))
  }

  /// The numbers of `torch.randn` for a tensor of `count` elements, in row-major order.
  public mutating func normals(count: Int) -> [Float] {
    count < Self.blockSize
      ? (0..<count).map { _ in Float(nextDouble()) }
      : filled(count: count)
  }

  // MARK: Tensors of 16 numbers and more

  private static let blockSize = 16
  /// The nearest float; Swift's `Float.pi` is rounded down.
  private static let fullTurn = Float(2 * Double.pi)

  private mutating func filled(count: Int) -> [Float] {
    var values = (0..<count).map { _ in nextUniform() }
    for start in stride(from: 0, through: count - Self.blockSize, by: Self.blockSize) {
      Self.transformBlock(&values, at: start)
    }
    // What is left over: the last 16 numbers are drawn anew, those already transformed among them.
    if !count.isMultiple(of: Self.blockSize) {
      let start = count - Self.blockSize
      for index in start..<count { values[index] = nextUniform() }
      Self.transformBlock(&values, at: start)
    }
    return values
  }

  /// Box-Muller: the first half of the block gives the radii, the second the angles.
  private static func transformBlock(_ values: inout [Float], at start: Int) {
    for index in start..<start + blockSize / 2 {
      let radius = (-2 * logf(1 - values[index])).squareRoot()
      let angle = fullTurn * values[index + blockSize / 2]
      values[index] = radius * cosf(angle)
      values[index + blockSize / 2] = radius * sinf(angle)
    }
  }

  /// Uniform in [0, 1): 24 bits, as many as a float's significand holds.
  private mutating func nextUniform() -> Float {
    Float(engine.next() & 0xff_ffff) * 0x1p-24
  }

  // MARK: Smaller tensors

  private mutating func nextDouble() -> Double {
    if let cached {
      self.cached = nil
      return cached
    }
    let angle = 2 * Double.pi * nextUniformDouble()
    let radius = (-2 * log1p(-nextUniformDouble())).squareRoot()
    cached = radius * sin(angle)
    return radius * cos(angle)
  }

  /// Uniform in [0, 1): 53 bits of two draws, the first one the high half.
  private mutating func nextUniformDouble() -> Double {
    let high = UInt64(engine.next())
    let bits = high << 32 | UInt64(engine.next())
    return Double(bits & 0x1f_ffff_ffff_ffff) * 0x1p-53
  }
}
