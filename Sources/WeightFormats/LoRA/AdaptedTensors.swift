internal import CKernels

/// A transformer's tensors with adapters added to them. A matrix is made when it is asked for, in f32, and is not rounded here.
package struct AdaptedTensors: CheckpointTensors {
  private let base: any CheckpointTensors
  private let adapters: [LowRankAdapter]
  private let adapted: Set<String>

  /// - Throws: `.tensorMismatch` naming a matrix that the transformer does not have, or has in another shape.
  package init(
    _ base: any CheckpointTensors, adapters: [LowRankAdapter]
  ) throws(SanaError) {
    self.base = base
    self.adapters = adapters
    var adapted: Set<String> = []
    for adapter in adapters {
      for (name, product) in adapter.products.sorted(by: { $0.key < $1.key }) {
        guard let tensor = base.tensor(named: name) else {
          throw LowRankAdapter.mismatch(
            "'\(product.down.name.abbreviated)' adapts '\(name.abbreviated)', which the transformer does not have",
            adapter.path)
        }
        let adapterShape = (product.up.shape[0], product.down.shape[1])
        guard let shape = tensor.matrixShape, shape == adapterShape else {
          throw LowRankAdapter.mismatch(
            "'\(product.down.name.abbreviated)' makes a matrix of \(adapterShape.0) x \(adapterShape.1) for '\(name.abbreviated)' of the shape \(tensor.shape)",
            adapter.path)
        }
        adapted.insert(name)
      }
    }
    self.adapted = adapted
  }

  package var sourceFiles: [SourceFile] { base.sourceFiles }

  package var tensors: [SafetensorsTensor] { base.tensors }

  package func tensor(named name: String) -> SafetensorsTensor? { base.tensor(named: name) }

  package func elements(of name: String) throws -> TensorElements? {
    guard adapted.contains(name), let original = try base.elements(of: name) else {
      return try base.elements(of: name)
    }
    return TensorElements(
      type: .f32,
      bytes: try TensorBytes(byteCount: original.count * 4) { memory in
        original.write(as: .f32, to: memory)
        let matrix = memory.assumingMemoryBound(to: Float.self)
        for adapter in adapters {
          guard let product = adapter.products[name], let down = adapter.elements(of: product.down),
            let up = adapter.elements(of: product.up)
          else { continue }
          try down.withFloats { down in
            try up.withFloats { up in
              try Self.add(
                up: up, down: down, rank: product.down.shape[0],
                factor: Float(product.factor), to: matrix)
            }
          }
        }
      })
  }

  /// Adds `factor * up * down` to a matrix.
  private static func add(
    up: UnsafeBufferPointer<Float>, down: UnsafeBufferPointer<Float>, rank: Int, factor: Float,
    to matrix: UnsafeMutableBufferPointer<Float>
  ) throws {
    let columns = down.count / rank
    // Rows are disjoint, and the factors are only read.
    nonisolated(unsafe) let (up, down, matrix) = (up, down, matrix)
    try Parallel.forEach(up.count / rank) { row, _ in
      guard let down = down.baseAddress, let up = up.baseAddress, let matrix = matrix.baseAddress
      else { return }
      sana_add_low_rank(
        up + row * rank, down, rank, columns, factor, matrix + row * columns)
    }
  }
}
