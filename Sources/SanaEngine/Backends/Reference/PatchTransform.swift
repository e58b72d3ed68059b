internal import SanaGraph

/// How an int8 convolution comes to its 2x2 results with fewer multiplications: a square patch of pixels is transformed to as many
/// *points*, so is the kernel; points are multiplied and summed over the channels, and the sums are transformed to the results.
///
/// All transforms are separable. Those of patch and kernel are defined in f32, because their results are quantized.
enum PatchTransform {
  /// F(2x2, 3x3) of Winograd (Lavin and Gray, arXiv 1509.09308): a 4x4 patch, 16 points. Or F(4x4, 3x3), interpolated at 0, ±1/√2, ±√2 and
  /// infinity: a 6x6 patch, 36 points.
  case winograd(WinogradTile)
  /// The four 2x2 phases of a nearest-neighbour upsampling by two and a 3x3 convolution, all from one 3x3 patch: in one
  /// dimension, with pixels `a, b, c` and taps `w0, w1, w2`, the even result is `w0 (a - b) + (w0 + w1 + w2) b` and the odd one
  /// `(w0 + w1 + w2) b + w2 (c - b)`. 9 points.
  case upsampling

  /// Pixels of a patch in one dimension.
  var side: Int {
    switch self {
    case .winograd(let tile): tile.side + 2
    case .upsampling: 3
    }
  }
  var points: Int { side * side }

  /// Results of a tile in one dimension.
  var results: Int {
    switch self {
    case .winograd(let tile): tile.side
    case .upsampling: 2
    }
  }

  /// Pixels from one patch to the next. A patch begins one pixel before its first result.
  var step: Int {
    switch self {
    case .winograd: results
    case .upsampling: 1
    }
  }

  /// The magnitude of the largest code. That of int16 leaves room for sums over all channels, a whole number of pairs, in an int32.
  func largestCode(channels: Int) -> Float {
    guard case .winograd(.fourByFour) = self else { return 127 }
    let limit = Int(Int32.max) / (channels + channels % 2)
    return Float((1...32767).last { $0 * $0 <= limit } ?? 1)
  }

  private static let near = Float(0.5).squareRoot()
  private static let far = Float(2).squareRoot()

  /// The points of a patch `[side, side]`.
  func patchPoints(_ patch: [Float]) -> [Float] {
    Self.bothWays(patch, from: side) { d in
      switch self {
      case .winograd(.twoByTwo):
        return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]
      case .winograd(.fourByFour):
        let (even, odd) = (d[4] - 2 * d[2], Self.near * (d[3] - 2 * d[1]))
        let (farEven, farOdd) = (d[4] - 0.5 * d[2], Self.far * (d[3] - 0.5 * d[1]))
        return [
          d[0] + d[4] - 2.5 * d[2], even + odd, even - odd, farEven + farOdd, farEven - farOdd,
          d[1] + d[5] - 2.5 * d[3],
        ]
      case .upsampling:
        return [d[0] - d[1], d[1], d[2] - d[1]]
      }
    }
  }

  /// The points of a 3x3 kernel.
  static func winogradKernelPoints(_ tile: WinogradTile, _ taps: [Float]) -> [Float] {
    bothWays(taps, from: 3) { w in
      switch tile {
      case .twoByTwo:
        return [w[0], 0.5 * (w[0] + w[1] + w[2]), 0.5 * (w[0] - w[1] + w[2]), w[2]]
      case .fourByFour:
        let (even, odd) = (w[0] + 0.5 * w[2], near * w[1])
        let (farEven, farOdd) = (w[0] + 2 * w[2], far * w[1])
        return [
          w[0], (even + odd) * (-2 / 3), (even - odd) * (-2 / 3), (farEven + farOdd) / 6,
          (farEven - farOdd) / 6, w[2],
        ]
      }
    }
  }

  /// The points of the kernels of the four phases, `[row phase][column phase][row][column]`.
  static func upsamplingKernelPoints(_ phases: [Float]) -> [Float] {
    func tap(_ phaseY: Int, _ phaseX: Int, _ y: Int, _ x: Int) -> Float {
      phases[8 * phaseY + 4 * phaseX + 2 * y + x]
    }
    // The first taps of the even phase, the sum of both, the second of the odd one.
    let choices = [(phase: 0, taps: 0...0), (phase: 0, taps: 0...1), (phase: 1, taps: 1...1)]
    return choices.flatMap { row in
      choices.map { column in
        let sums = row.taps.map { y in
          column.taps.dropFirst().reduce(
            tap(row.phase, column.phase, y, column.taps.lowerBound)
          ) { $0 + tap(row.phase, column.phase, y, $1) }
        }
        return sums.dropFirst().reduce(sums[0], +)
      }
    }
  }

  /// The square of results of the points' sums.
  func results(_ sums: [Double]) -> [Double] {
    Self.bothWays(sums, from: side) { m in
      switch self {
      case .winograd(.twoByTwo):
        return [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]
      case .winograd(.fourByFour):
        let (even, odd) = (m[1] + m[2], Double(Self.near) * (m[1] - m[2]))
        let (farEven, farOdd) = (m[3] + m[4], Double(Self.far) * (m[3] - m[4]))
        return [
          m[0] + even + farEven, odd + farOdd, 0.5 * even + 2 * farEven,
          0.5 * odd + 2 * farOdd + m[5],
        ]
      case .upsampling:
        return [m[0] + m[1], m[1] + m[2]]
      }
    }
  }

  /// Transforms the columns of a square, then the rows.
  private static func bothWays<Number>(
    _ square: [Number], from side: Int, _ line: ([Number]) -> [Number]
  ) -> [Number] {
    let columns = (0..<side).map { x in line((0..<side).map { y in square[y * side + x] }) }
    return columns[0].indices.flatMap { y in line(columns.map { $0[y] }) }
  }
}
