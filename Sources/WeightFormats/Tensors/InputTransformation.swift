internal import CKernels

/// What happens to the input of a product before it is coded, and how the product's weight follows
/// it: `input' = rotation(input * factors)` and `weight' = rotation(weight / factors)` have the
/// product of `input` and `weight`, because the rotation is orthogonal.
package struct InputTransformation: Hashable, Sendable {
  /// One for each input channel, the weight's last axis; `nil` for ones.
  package let factors: [Float]?
  /// Columns of a block that is rotated; 1 for none.
  package let rotation: Int

  package init(factors: [Float]? = nil, rotation: Int = 1) {
    self.factors = factors
    self.rotation = rotation
  }

  package var isIdentity: Bool { factors == nil && rotation == 1 }

  /// Makes rows of a weight, `columns` numbers each, those of the transformed input.
  package func apply(to rows: UnsafeMutableBufferPointer<Float>, columns: Int) {
    multiply(rows) { 1 / $0 }
    rotate(rows, columns: columns)
  }

  /// Makes rows of the transformed input's weight those of the input as it is.
  package func undo(in rows: UnsafeMutableBufferPointer<Float>, columns: Int) {
    rotate(rows, columns: columns)
    multiply(rows) { $0 }
  }

  /// Transforms rows of the input itself.
  package func transform(input rows: UnsafeMutableBufferPointer<Float>, columns: Int) {
    multiply(rows) { $0 }
    rotate(rows, columns: columns)
  }

  private func rotate(_ rows: UnsafeMutableBufferPointer<Float>, columns: Int) {
    guard rotation > 1, columns > 0, let start = rows.baseAddress else { return }
    for row in 0..<rows.count / columns {
      sana_rotate_row(start + row * columns, columns, rotation)
    }
  }

  private func multiply(
    _ rows: UnsafeMutableBufferPointer<Float>, by number: (Float) -> Float
  ) {
    guard let factors, !factors.isEmpty else { return }
    let numbers = factors.map(number)
    for start in stride(from: 0, to: rows.count, by: numbers.count) {
      for (index, number) in numbers.enumerated() { rows[start + index] *= number }
    }
  }
}

extension InputTransformation {
  /// That of a stored weight.
  /// - Throws: what reading its factors throws.
  package init(of description: TensorDescription, from source: any RowSource) throws {
    var factors: [Float]?
    if description.activations.hasFactors {
      let tensor = InputFactors.description(of: description)
      factors = [Float](repeating: 1, count: tensor.elementCount)
      try factors?.withUnsafeMutableBytes { bytes in
        try source.read(
          tensor.name, rows: 0..<tensor.rows, into: bytes,
          scales: UnsafeMutableBufferPointer(start: nil, count: 0))
      }
    }
    self.init(factors: factors, rotation: description.activations.rotation)
  }
}
