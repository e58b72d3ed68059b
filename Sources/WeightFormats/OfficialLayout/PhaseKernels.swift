/// The algebra of "nearest-neighbour upsampling by two, then a 3x3 convolution".
///
/// Along one axis, an even output reads the small image at `y - 1, y, y` with taps `w0, w1, w2`:
/// two taps `w0, w1 + w2`. An odd one reads `y, y, y + 1`: two taps `w0 + w1, w2`. Rows and columns
/// together give four 2x2 kernels.
enum PhaseKernels {
  /// The source taps that fall on each of the two taps: `[parity][tap]`.
  private static let taps: [[ClosedRange<Int>]] = [[0...0, 1...2], [0...1, 2...2]]

  /// One output channel of one phase.
  /// - Parameters:
  ///   - kernel: the output's `[inputs, 3, 3]`
  ///   - phase: `2 * (row parity) + (column parity)`
  ///   - result: `[2, 2, inputs]`; sums are made in f64 and rounded once.
  static func split(
    _ kernel: UnsafeBufferPointer<Float>, phase: Int,
    into result: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(result.count * 9 == kernel.count * 4)
    let inputs = kernel.count / 9
    var position = 0
    for rows in taps[phase / 2] {
      for columns in taps[phase % 2] {
        for input in 0..<inputs {
          var sum = 0.0
          for row in rows {
            for column in columns { sum += Double(kernel[input * 9 + row * 3 + column]) }
          }
          result[position] = Float(sum)
          position += 1
        }
      }
    }
  }

  /// The inverse of `split`, up to the rounding of its sums: corner taps come back exactly; an edge
  /// tap is a rounded sum less a corner, the middle tap a rounded sum less three others. Of the
  /// sums that hold a tap the one least in magnitude is used, since its rounding error is the
  /// least.
  static func join(
    _ phases: UnsafeBufferPointer<Float>, into kernel: UnsafeMutableBufferPointer<Float>,
    outputs: Int, inputs: Int
  ) {
    for output in 0..<outputs {
      for input in 0..<inputs {
        func sum(_ rowParity: Int, _ row: Int, _ columnParity: Int, _ column: Int) -> Double {
          let phase = 2 * rowParity + columnParity
          return Double(
            phases[(((phase * outputs + output) * 2 + row) * 2 + column) * inputs + input])
        }
        var taps = InlineArray<9, Double>(repeating: 0)
        // Corners: the outer tap of either axis stands alone in the kernel of the parity on its
        // side.
        for row in stride(from: 0, through: 2, by: 2) {
          for column in stride(from: 0, through: 2, by: 2) {
            taps[row * 3 + column] = sum(row / 2, row / 2, column / 2, column / 2)
          }
        }
        // Edges: the middle tap of one axis, paired with its lower or its upper neighbour.
        for outer in stride(from: 0, through: 2, by: 2) {
          let side = outer / 2
          taps[outer * 3 + 1] = difference(
            least(
              (sum(side, side, 0, 1), taps[outer * 3 + 2]),
              (sum(side, side, 1, 0), taps[outer * 3])))
          taps[3 + outer] = difference(
            least((sum(0, 1, side, side), taps[6 + outer]), (sum(1, 0, side, side), taps[outer])))
        }
        taps[4] = difference(
          least(
            least(
              (sum(0, 1, 0, 1), taps[5] + taps[7] + taps[8]),
              (sum(0, 1, 1, 0), taps[3] + taps[6] + taps[7])),
            least(
              (sum(1, 0, 0, 1), taps[1] + taps[2] + taps[5]),
              (sum(1, 0, 1, 0), taps[0] + taps[1] + taps[3]))))
        for tap in taps.indices {
          kernel[(output * inputs + input) * 9 + tap] = Float(taps[tap])
        }
      }
    }
  }

  /// A sum of taps as stored, and all of its taps but the one that is sought.
  private typealias Candidate = (sum: Double, others: Double)

  private static func least(_ first: Candidate, _ second: Candidate) -> Candidate {
    abs(first.sum) <= abs(second.sum) ? first : second
  }

  private static func difference(_ candidate: Candidate) -> Double {
    candidate.sum - candidate.others
  }
}
