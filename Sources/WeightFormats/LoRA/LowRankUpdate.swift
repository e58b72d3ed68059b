internal import CKernels

/// What adapters add to one matrix: a sum of products of two thin ones, ready to be added to any of its rows.
package struct LowRankUpdate: Sendable {
  /// `factor * up * down`.
  struct Term: Sendable {
    let rank: Int
    let factor: Float
    /// f32, `[outputs, rank]`.
    let up: TensorBytes
    /// f32, `[rank, inputs]`.
    let down: TensorBytes
  }

  /// One after the other, in this order.
  let terms: [Term]
  /// Numbers of one row of the matrix.
  let columns: Int

  /// Adds to some rows.
  /// - Parameters:
  ///   - numbers: whole rows of the matrix, f32.
  ///   - start: which number of the matrix is the first.
  func add(to numbers: UnsafeMutableBufferPointer<Float>, from start: Int) {
    guard let target = numbers.baseAddress, !numbers.isEmpty else { return }
    precondition(start % columns == 0 && numbers.count % columns == 0, "only whole rows")
    for term in terms {
      withExtendedLifetime(term) {
        let up = term.up.bytes.assumingMemoryBound(to: Float.self)
        let down = term.down.bytes.assumingMemoryBound(to: Float.self)
        guard let up = up.baseAddress, let down = down.baseAddress else { return }
        for row in 0..<numbers.count / columns {
          sana_add_low_rank(
            up + (start / columns + row) * term.rank, down, term.rank, columns, term.factor,
            target + row * columns)
        }
      }
    }
  }
}
