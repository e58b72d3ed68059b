internal import CKernels

/// What adapters do to one matrix, ready to be done to any of its rows.
///
/// A row is what belongs to one output; a convolution's has the kernel's numbers of every input, in
/// the checkpoint's order.
package struct WeightUpdate: ElementUpdate {
  /// A matrix that is not there as such.
  indirect enum Delta: Sendable {
    /// `up * down`: f32, `[rows, rank]` and `[rank, columns]`.
    case lowRank(rank: Int, up: TensorBytes, down: TensorBytes)
    /// The Kronecker product of `[rows / secondRows, firstColumns]` and `[secondRows, columns /
    /// firstColumns]`, f32.
    case kronecker(first: TensorBytes, firstColumns: Int, second: TensorBytes, secondRows: Int)
    /// The product of two matrices, number by number.
    case hadamard(Delta, Delta)
    /// The matrix itself, f32.
    case whole(TensorBytes)
  }

  /// What becomes of the lengths of rows or columns (DoRA, https://arxiv.org/abs/2402.09353).
  enum Magnitude: Sendable {
    /// Every row gets a length of its own: f32, `[rows]`.
    case rows(TensorBytes)
    /// Every input's numbers are multiplied by one: f32, `[inputs]`.
    case factors(TensorBytes)
  }

  /// One adapter's part.
  struct Step: Sendable {
    let delta: Delta
    /// Which row of the delta belongs to the matrix's first: a delta may be that of several
    /// matrices below each other.
    let firstRow: Int
    let factor: Float
    let magnitude: Magnitude?
    /// How much of the change that the step makes is made; 1 where the factor holds it.
    let strength: Float
  }

  /// One after the other, in this order.
  let steps: [Step]
  /// Numbers of one row of the matrix.
  let columns: Int

  /// Does the steps to some rows.
  package func apply(to numbers: UnsafeMutableBufferPointer<Float>, from start: Int) {
    guard columns > 0, !numbers.isEmpty else { return }
    precondition(start % columns == 0 && numbers.count % columns == 0, "only whole rows")
    let scratch = UnsafeMutableBufferPointer<Float>.allocate(capacity: 2 * columns)
    defer { scratch.deallocate() }
    for step in steps {
      for row in 0..<numbers.count / columns {
        step.apply(
          to: UnsafeMutableBufferPointer(rebasing: numbers[row * columns..<(row + 1) * columns]),
          row: start / columns + row, scratch: scratch)
      }
    }
  }
}

extension WeightUpdate.Step {
  /// - Parameter scratch: twice a row.
  fileprivate func apply(
    to numbers: UnsafeMutableBufferPointer<Float>, row: Int,
    scratch: UnsafeMutableBufferPointer<Float>
  ) {
    let before = UnsafeMutableBufferPointer(rebasing: scratch[..<numbers.count])
    let rest = UnsafeMutableBufferPointer(rebasing: scratch[numbers.count...])
    if strength != 1 { _ = before.update(fromContentsOf: numbers) }
    delta.add(row: firstRow + row, times: factor, to: numbers, scratch: rest)
    switch magnitude {
    case nil: break
    case .rows(let lengths):
      let length = lengths.floats[firstRow + row]
      let squares = numbers.reduce(0.0) { $0 + Double($1) * Double($1) }
      // A row of zeros has no direction, and stays.
      let scale = squares == 0 ? 0 : Float(Double(length) / squares.squareRoot())
      for index in numbers.indices { numbers[index] *= scale }
    case .factors(let factors):
      let width = numbers.count / max(factors.floats.count, 1)
      for (input, factor) in factors.floats.enumerated() {
        for index in input * width..<(input + 1) * width { numbers[index] *= factor }
      }
    }
    if strength != 1 {
      for index in numbers.indices {
        numbers[index] = before[index] + strength * (numbers[index] - before[index])
      }
    }
  }
}

extension WeightUpdate.Delta {
  /// Adds one row, times a factor.
  /// - Parameter scratch: as long as the row; its contents are lost.
  func add(
    row: Int, times factor: Float, to target: UnsafeMutableBufferPointer<Float>,
    scratch: UnsafeMutableBufferPointer<Float>
  ) {
    guard let out = target.baseAddress else { return }
    switch self {
    case .lowRank(let rank, let up, let down):
      withExtendedLifetime((up, down)) {
        guard let up = up.floats.baseAddress, let down = down.floats.baseAddress else { return }
        sana_add_low_rank(up + row * rank, down, rank, target.count, factor, out)
      }
    case .kronecker(let first, let firstColumns, let second, let secondRows):
      withExtendedLifetime((first, second)) {
        guard let first = first.floats.baseAddress, let second = second.floats.baseAddress
        else { return }
        let width = target.count / firstColumns
        for column in 0..<firstColumns {
          sana_add_low_rank(
            first + row / secondRows * firstColumns + column, second + row % secondRows * width, 1,
            width, factor, out + column * width)
        }
      }
    case .hadamard(let left, let right):
      // Two rows at once need more room than there is; these adapters are rare.
      let other = UnsafeMutableBufferPointer<Float>.allocate(capacity: 2 * target.count)
      defer { other.deallocate() }
      scratch.update(repeating: 0)
      other.update(repeating: 0)
      let rest = UnsafeMutableBufferPointer(rebasing: other[target.count...])
      let product = UnsafeMutableBufferPointer(rebasing: other[..<target.count])
      left.add(row: row, times: 1, to: scratch, scratch: rest)
      right.add(row: row, times: 1, to: product, scratch: rest)
      for index in target.indices { target[index] += factor * (scratch[index] * product[index]) }
    case .whole(let numbers):
      withExtendedLifetime(numbers) {
        let numbers = numbers.floats
        for index in target.indices {
          target[index] += factor * numbers[row * target.count + index]
        }
      }
    }
  }
}

extension TensorBytes {
  /// The bytes as f32, in whose alignment they must be.
  var floats: UnsafeBufferPointer<Float> { bytes.assumingMemoryBound(to: Float.self) }

  /// Room for so many f32, all of them zero, and then what is done to them.
  convenience init(floatCount: Int, _ fill: (UnsafeMutableBufferPointer<Float>) throws -> Void)
    rethrows
  {
    try self.init(byteCount: floatCount * MemoryLayout<Float>.size) { memory in
      let floats = memory.bindMemory(to: Float.self)
      floats.initialize(repeating: 0)
      try fill(floats)
    }
  }
}
