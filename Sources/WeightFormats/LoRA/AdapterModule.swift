internal import Support

/// What an adapter's file holds for one module of a network: parts that belong together and fit
/// each other.
package struct AdapterModule: Sendable {
  package enum Flavour: String, Hashable, Sendable {
    case lora = "LoRA"
    case lokr = "LoKr"
    case loha = "LoHa"
    case difference = "difference"
  }

  /// As the file names it, without the part.
  package let name: String
  /// The tensor that errors name.
  package let firstTensor: String
  package let flavour: Flavour
  /// The matrix that is added has so many rows; several modules' matrices may lie below each other.
  package let rows: Int
  /// The kernel's numbers included.
  package let columns: Int
  /// Of the thinner products that the matrix is made of; `nil` where it is made of none.
  package let rank: Int?
  /// Whether lengths of rows or columns belong to it (DoRA).
  package var isDecomposed: Bool { parts[.magnitude] != nil || parts[.scale] != nil }

  let parts: [AdapterPart: CheckpointTensor]
  /// Of the first factor of a Kronecker product.
  private let firstFactor: PartReader.Matrix?
  private let file: any CheckpointTensors

  /// - Throws: `.tensorMismatch` naming a tensor that lacks its other half, or does not fit it.
  init(
    name: String, parts: [AdapterPart: CheckpointTensor], firstTensor: String,
    file: any CheckpointTensors, path: String
  ) throws(SanaError) {
    self.name = name
    self.parts = parts
    self.firstTensor = firstTensor
    self.file = file
    let reader = PartReader(parts: parts, firstTensor: firstTensor, path: path)
    var firstFactor: PartReader.Matrix?
    if parts[.down] != nil || parts[.up] != nil {
      flavour = .lora
      let (up, down) = try reader.halves(.up, .down)
      try reader.checkMiddle(rank: up.columns, down: down)
      rows = up.rows
      columns = down.columns * (parts[.middle]?.kernelSize ?? 1)
      rank = up.columns
    } else if parts.keys.contains(where: { Self.kronecker.contains($0) }) {
      flavour = .lokr
      let first = try reader.factor(.first, .firstUp, .firstDown, core: nil)
      let second = try reader.factor(.second, .secondUp, .secondDown, core: .secondCore)
      let (allRows, rowOverflow) = first.rows.multipliedReportingOverflow(by: second.rows)
      let (allColumns, overflow) = first.columns.multipliedReportingOverflow(by: second.columns)
      guard !overflow, !rowOverflow else { throw reader.misfit("is too large") }
      firstFactor = (first.rows, first.columns)
      rows = allRows
      columns = allColumns
      rank = second.rank ?? first.rank
    } else if parts.keys.contains(where: { Self.hadamard.contains($0) }) {
      flavour = .loha
      let (up, down) = try reader.halves(.hadamardFirstUp, .hadamardFirstDown)
      let (otherUp, otherDown) = try reader.halves(.hadamardSecondUp, .hadamardSecondDown)
      guard up.rows == otherUp.rows, down.columns == otherDown.columns else {
        throw reader.misfit("does not fit the other product")
      }
      rows = up.rows
      columns = down.columns
      rank = up.columns
    } else if let difference = parts[.difference] {
      flavour = .difference
      rows = difference.shape.first ?? 1
      columns = difference.elementCount / max(rows, 1)
      rank = nil
    } else {
      throw reader.misfit("lacks the matrix that it belongs to")
    }
    self.firstFactor = firstFactor
    guard rows > 0, columns > 0 else { throw reader.misfit("has no numbers") }
    if let lengths = parts[.magnitude], lengths.elementCount != rows {
      throw reader.misfit(lengths, "is no length for each of \(rows) rows")
    }
  }

  private static let kronecker: Set<AdapterPart> = [
    .first, .firstUp, .firstDown, .second, .secondUp, .secondDown, .secondCore,
  ]
  private static let hadamard: Set<AdapterPart> = [
    .hadamardFirstUp, .hadamardFirstDown, .hadamardSecondUp, .hadamardSecondDown,
  ]

  // MARK: - Numbers

  /// The alpha that is a tensor of the file; `nil` where there is none.
  /// - Throws: `.tensorMismatch` when it is not one number.
  func alpha(path: String) throws -> Double? {
    guard let tensor = parts[.alpha] else { return nil }
    guard tensor.elementCount == 1, let elements = try file.elements(of: tensor.name),
      let alpha = elements.firstNumber, alpha.isFinite
    else {
      throw LowRankAdapter.mismatch(
        "'\(tensor.name.abbreviated)' is no alpha: it has the shape \(tensor.shape) or is no number",
        path)
    }
    return alpha
  }

  /// The numbers of a part as f32.
  func numbers(of part: AdapterPart) throws -> TensorBytes? {
    guard let tensor = parts[part], let elements = try file.elements(of: tensor.name) else {
      return nil
    }
    return TensorBytes(byteCount: elements.count * 4) { elements.write(as: .f32, to: $0) }
  }

  /// What is added to the matrix, ready to be added to any of its rows.
  func delta() throws -> WeightUpdate.Delta? {
    switch flavour {
    case .lora:
      guard let rank, let up = try numbers(of: .up), let down = try downThroughMiddle() else {
        return nil
      }
      return .lowRank(rank: rank, up: up, down: down)
    case .lokr:
      guard let firstFactor, let first = try factor(.first, .firstUp, .firstDown),
        let second = try factor(.second, .secondUp, .secondDown)
      else { return nil }
      return .kronecker(
        first: first, firstColumns: firstFactor.columns, second: second,
        secondRows: rows / firstFactor.rows)
    case .loha:
      guard let up = try numbers(of: .hadamardFirstUp), let rank,
        let down = try numbers(of: .hadamardFirstDown),
        let otherUp = try numbers(of: .hadamardSecondUp),
        let otherDown = try numbers(of: .hadamardSecondDown),
        let otherRank = parts[.hadamardSecondUp]?.shape[1]
      else { return nil }
      return .hadamard(
        .lowRank(rank: rank, up: up, down: down),
        .lowRank(rank: otherRank, up: otherUp, down: otherDown))
    case .difference:
      return try numbers(of: .difference).map { .whole($0) }
    }
  }

  /// `[rank, inputs * kernel]`, with what lies between the halves of a convolution's adapter
  /// multiplied in.
  private func downThroughMiddle() throws -> TensorBytes? {
    guard let down = try numbers(of: .down), let rank else { return nil }
    guard let middle = try numbers(of: .middle), let kernel = parts[.middle]?.kernelSize else {
      return down
    }
    return Self.through(middle, kernel: kernel, down, rank: rank, outputs: rank) { k, output in
      k == output ? 1 : 0
    }
  }

  /// One factor of a Kronecker product, whole.
  private func factor(
    _ whole: AdapterPart, _ up: AdapterPart, _ down: AdapterPart
  ) throws -> TensorBytes? {
    if let numbers = try numbers(of: whole) { return numbers }
    guard let upTensor = parts[up], let downTensor = parts[down], let left = try numbers(of: up),
      let right = try numbers(of: down)
    else { return nil }
    if let core = parts[.secondCore], up == .secondUp {
      guard let middle = try numbers(of: .secondCore) else { return nil }
      let outputs = upTensor.shape[1]
      return withExtendedLifetime(left) {
        let left = left.floats
        return Self.through(
          middle, kernel: core.kernelSize, right, rank: core.shape[0], outputs: outputs
        ) { k, output in left[k * outputs + output] }
      }
    }
    let (rows, rank) = (upTensor.shape[0], upTensor.shape[1])
    let columns = downTensor.elementCount / rank
    let delta = WeightUpdate.Delta.lowRank(rank: rank, up: left, down: right)
    return TensorBytes(floatCount: rows * columns) { numbers in
      for row in 0..<rows {
        let target = UnsafeMutableBufferPointer(
          rebasing: numbers[row * columns..<(row + 1) * columns])
        delta.add(row: row, times: 1, to: target, scratch: target)
      }
    }
  }

  /// `[outputs, inputs, kernel]`: `sum over i, j of core[i, j, kernel] * left(i, output) * right[j,
  /// input]`, summed in f64.
  private static func through(
    _ core: TensorBytes, kernel: Int, _ right: TensorBytes, rank: Int, outputs: Int,
    left: (Int, Int) -> Float
  ) -> TensorBytes {
    withExtendedLifetime((core, right)) {
      let (core, right) = (core.floats, right.floats)
      let inner = core.count / max(rank * kernel, 1)
      let inputs = right.count / max(inner, 1)
      return TensorBytes(floatCount: outputs * inputs * kernel) { target in
        var weights = [Double](repeating: 0, count: inner * kernel)
        for output in 0..<outputs {
          for index in weights.indices {
            weights[index] = (0..<rank).reduce(0.0) {
              $0 + Double(left($1, output)) * Double(core[$1 * inner * kernel + index])
            }
          }
          for input in 0..<inputs {
            for at in 0..<kernel {
              target[(output * inputs + input) * kernel + at] = Float(
                (0..<inner).reduce(0.0) {
                  $0 + weights[$1 * kernel + at] * Double(right[$1 * inputs + input])
                })
            }
          }
        }
      }
    }
  }
}

extension CheckpointTensor {
  /// Numbers of one input in one output's kernel.
  var kernelSize: Int { shape.dropFirst(2).reduce(1, *) }
}
