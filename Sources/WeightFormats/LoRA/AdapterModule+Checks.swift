internal import Support

extension AdapterModule {
  /// Looks at the shapes of a module's parts.
  struct PartReader {
    let parts: [AdapterPart: CheckpointTensor]
    let firstTensor: String
    let path: String

    /// The rows and columns of a part, kernel numbers counted as columns.
    typealias Matrix = (rows: Int, columns: Int)

    func misfit(_ tensor: CheckpointTensor, _ what: String) -> SanaError {
      LowRankAdapter.mismatch(
        "'\(tensor.name.abbreviated)' of the shape \(tensor.shape) \(what)", path)
    }

    func misfit(_ what: String) -> SanaError {
      LowRankAdapter.mismatch("'\(firstTensor.abbreviated)' \(what)", path)
    }

    /// `[rows, rank]` and `[rank, columns]`.
    func halves(_ up: AdapterPart, _ down: AdapterPart) throws(SanaError) -> (Matrix, Matrix) {
      guard let up = parts[up], let down = parts[down] else {
        throw misfit("lacks its other half")
      }
      guard let left = matrix(up), up.kernelSize == 1, let right = matrix(down),
        left.columns == right.rows
      else {
        throw misfit(up, "does not fit '\(down.name.abbreviated)' of the shape \(down.shape)")
      }
      return (left, right)
    }

    func checkMiddle(rank: Int, down: Matrix) throws(SanaError) {
      guard let middle = parts[.middle] else { return }
      guard middle.shape.count > 2, middle.shape[0] == rank, middle.shape[1] == down.rows,
        middle.elementCount > 0, parts[.down]?.kernelSize == 1
      else { throw misfit(middle, "does not fit between its halves") }
    }

    /// A factor of a Kronecker product: whole, or a product itself.
    func factor(
      _ whole: AdapterPart, _ up: AdapterPart, _ down: AdapterPart, core: AdapterPart?
    ) throws(SanaError) -> (rows: Int, columns: Int, rank: Int?) {
      if let tensor = parts[whole] {
        guard let matrix = matrix(tensor) else { throw misfit(tensor, "is no matrix") }
        return (matrix.rows, matrix.columns, nil)
      }
      guard let core = core.flatMap({ parts[$0] }) else {
        let (left, right) = try halves(up, down)
        return (left.rows, right.columns, left.columns)
      }
      guard let up = parts[up], let down = parts[down] else {
        throw misfit("lacks its other half")
      }
      guard let left = matrix(up), let right = matrix(down), core.shape.count > 2,
        core.elementCount > 0, core.shape[0] == left.rows, core.shape[1] == right.rows,
        up.kernelSize == 1, down.kernelSize == 1
      else { throw misfit(core, "does not fit between its halves") }
      return (left.columns, right.columns * core.kernelSize, left.rows)
    }

    private func matrix(_ tensor: CheckpointTensor) -> Matrix? {
      guard tensor.shape.count >= 2, tensor.elementCount > 0 else { return nil }
      return (tensor.shape[0], tensor.elementCount / tensor.shape[0])
    }
  }
}
