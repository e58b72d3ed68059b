/// A transformer's tensors with adapters added to them. The sums are made when numbers are read, in f32, and are not rounded here.
package struct AdaptedTensors: CheckpointTensors {
  private let base: any CheckpointTensors
  private let adapters: [LowRankAdapter]

  /// - Throws: `.tensorMismatch` naming a matrix that the transformer does not have, or has in another shape.
  package init(
    _ base: any CheckpointTensors, adapters: [LowRankAdapter]
  ) throws(SanaError) {
    self.base = base
    self.adapters = adapters
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
      }
    }
  }

  package var sourceFiles: [SourceFile] { base.sourceFiles }

  package var tensors: [SafetensorsTensor] { base.tensors }

  package var sampleSize: Int? { base.sampleSize }

  package func tensor(named name: String) -> SafetensorsTensor? { base.tensor(named: name) }

  package func origin(of name: String) -> TensorOrigin? { base.origin(of: name) }

  package func elements(of name: String) throws -> TensorElements? {
    guard let original = try base.elements(of: name) else { return nil }
    let terms = adapters.compactMap { $0.term(for: name) }
    guard !terms.isEmpty, let columns = tensor(named: name)?.matrixShape?.columns else {
      return original
    }
    return original.adding(LowRankUpdate(terms: terms, columns: columns))
  }
}
