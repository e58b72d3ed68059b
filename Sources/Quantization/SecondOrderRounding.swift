internal import CKernels
internal import Support

/// Rounds the rows of a weight so that its product with what it is known to multiply moves as
/// little as possible (GPTQ, arXiv 2210.17323): what rounding a number changes, the numbers behind
/// it in the row make up for.
///
/// With `R` upper triangular and `R R^T` the second moments of the input, a number becomes
/// `w + sum_i error_i R_i / R_n` over the numbers `i` before it, which is rounded; `error` is the
/// original less the code times its scale.
struct SecondOrderRounding: Sendable {
  private let columns: Int
  /// `[columns, columns]`: the strict upper triangle of `R`, each column divided by its last
  /// number.
  private let factors: [Float]

  /// How much of the mean square is added to every column's: rounding must not lean on what a
  /// sample of rows happens not to hold.
  private static let damping: Float = 0.01
  private static let block = 128

  /// - Parameters:
  ///   - rows: `[count, columns]`, of the input as the product multiplies it.
  ///   - columns: of the weight.
  /// - Returns: `nil` where the input says nothing: all of it is zero, or not finite.
  init?(inputRows rows: [Float], columns: Int, cancellation: CancellationToken) throws {
    self.columns = columns
    var matrix = [Float](repeating: 0, count: columns * columns)
    let isDefinite = try matrix.withUnsafeMutableBufferPointer { matrix in
      guard try Self.addMoments(of: rows, to: matrix, columns: columns, cancellation),
        try Self.factor(matrix, columns: columns, cancellation)
      else { return false }
      let diagonal = (0..<columns).map { matrix[$0 * columns + $0] }
      for row in 0..<columns {
        for column in row + 1..<max(columns, row + 1) {
          matrix[row * columns + column] /= diagonal[column]
        }
      }
      return true
    }
    guard isDefinite else { return nil }
    factors = matrix
  }

  /// Rounds rows.
  /// - Parameters:
  ///   - weights: `[count, columns]`
  ///   - group: columns that share a scale.
  ///   - limit: the largest code.
  ///   - codes, scales: receive what an encoding stores, the codes one a byte.
  func round(
    _ weights: UnsafeBufferPointer<Float>, group: Int, limit: Int32,
    codes: UnsafeMutablePointer<Int8>, scales: UnsafeMutablePointer<Float>,
    scratch: ScratchBuffer
  ) {
    factors.withUnsafeBufferPointer { factors in
      guard let original = weights.baseAddress, let factors = factors.baseAddress else { return }
      round(
        original, count: weights.count / columns, factors: factors, group: group, limit: limit,
        codes: codes, scales: scales, scratch: scratch)
    }
  }

  private func round(
    _ original: UnsafePointer<Float>, count: Int, factors: UnsafePointer<Float>, group: Int,
    limit: Int32, codes: UnsafeMutablePointer<Int8>, scales: UnsafeMutablePointer<Float>,
    scratch: ScratchBuffer
  ) {
    let groups = (columns + group - 1) / group
    let length = Int(SANA_ROUNDING_BLOCK)
    let areas = scratch.bytes(count: count * (columns + length) * MemoryLayout<Float>.size)
      .bindMemory(to: Float.self)
    guard let moved = areas.baseAddress else { return }
    let errors = moved + count * columns
    moved.update(from: original, count: count * columns)
    // Groups that no block holds as a whole are scaled by what they are at first.
    for row in 0..<count {
      for index in 0..<groups {
        let start = original + row * columns + index * group
        let largest = sana_largest_magnitude(start, min(group, columns - index * group))
        let scale = largest / Float(limit)
        scales[row * groups + index] = scale < Float.leastNormalMagnitude ? 0 : scale
      }
    }
    for column in stride(from: 0, to: columns, by: length) {
      let width = min(length, columns - column)
      for row in 0..<count {
        let place = row * columns + column
        sana_round_block(
          original + place, moved + place, factors + column * columns + column, columns, column,
          width, group, limit, codes + place, scales + row * groups + column / group,
          errors + row * length)
      }
      let behind = column + width
      sana_add_product(
        moved + behind, columns, errors, length, factors + column * columns + behind, columns,
        count, columns - behind, width, 1)
    }
  }

  /// The upper triangle of the sums of products of columns, damped.
  private static func addMoments(
    of rows: [Float], to moments: UnsafeMutableBufferPointer<Float>, columns: Int,
    _ cancellation: CancellationToken
  ) throws -> Bool {
    let count = columns > 0 ? rows.count / columns : 0
    guard count > 0, let target = moments.baseAddress else { return false }
    var turned = [Float](repeating: 0, count: rows.count)
    for row in 0..<count {
      for column in 0..<columns { turned[column * count + row] = rows[row * columns + column] }
    }
    try addUpper(
      to: target, stride: columns, size: columns, left: turned, leftStride: count, right: rows,
      rightStride: columns, depth: count, sign: 1, cancellation)
    let diagonal = (0..<columns).map { target[$0 * columns + $0] }
    let mean = diagonal.reduce(0, +) / Float(columns)
    guard mean > 0, mean.isFinite else { return false }
    for column in 0..<columns { target[column * columns + column] += damping * mean }
    return true
  }

  /// `matrix += sign * left * right` in the upper triangle and what tiles hold below it.
  private static func addUpper(
    to matrix: UnsafeMutablePointer<Float>, stride: Int, size: Int, left: [Float],
    leftStride: Int, right: [Float], rightStride: Int, depth: Int, sign: Float,
    _ cancellation: CancellationToken
  ) throws {
    nonisolated(unsafe) let matrix = matrix
    let tile = 48
    try Parallel.forEach((size + tile - 1) / tile) { index, _ in
      try cancellation.check()
      let first = index * tile
      left.withUnsafeBufferPointer { left in
        right.withUnsafeBufferPointer { right in
          guard let left = left.baseAddress, let right = right.baseAddress else { return }
          sana_add_product(
            matrix + first * stride + first, stride, left + first * leftStride, leftStride,
            right + first, rightStride, min(tile, size - first), size - first, depth, sign)
        }
      }
    }
  }

  /// Factors the upper triangle into `R R^T`, a block of columns at a time, from the last on.
  private static func factor(
    _ matrix: UnsafeMutableBufferPointer<Float>, columns: Int, _ cancellation: CancellationToken
  ) throws -> Bool {
    guard let start = matrix.baseAddress else { return false }
    nonisolated(unsafe) let matrix = start
    var end = columns
    while end > 0 {
      let width = min(block, end)
      let first = end - width
      let corner = matrix + first * columns + first
      guard sana_factor_block(corner, columns, width) == 1 else { return false }
      let tile = 64
      try Parallel.forEach((first + tile - 1) / tile) { index, _ in
        try cancellation.check()
        sana_solve_block(
          matrix + index * tile * columns + first, columns, min(tile, first - index * tile),
          matrix + first * columns + first, columns, width)
      }
      var panel = [Float](repeating: 0, count: first * width)
      var turned = [Float](repeating: 0, count: first * width)
      for row in 0..<first {
        for column in 0..<width {
          let number = matrix[row * columns + first + column]
          panel[row * width + column] = number
          turned[column * first + row] = number
        }
      }
      try addUpper(
        to: matrix, stride: columns, size: first, left: panel, leftStride: width, right: turned,
        rightStride: first, depth: width, sign: -1, cancellation)
      end = first
    }
    return true
  }
}
