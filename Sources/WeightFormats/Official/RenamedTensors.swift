package import Support

/// A checkpoint under NVlabs' names, seen under diffusers': parts of the same bytes.
package struct RenamedTensors: CheckpointTensors {
  private struct View: Sendable {
    let tensor: CheckpointTensor
    /// The tensor that holds it, and which of its numbers.
    let source: String
    let elements: Range<Int>
  }

  /// Side of the latents that the model was trained on, where a position embedding in the file
  /// tells.
  package let sampleSize: Int?
  private let source: any CheckpointTensors
  private let views: [String: View]

  /// - Returns: `nil` when the names are not NVlabs'.
  /// - Throws: `.unsupported` for a ControlNet; `.tensorMismatch` when a tensor cannot be divided,
  ///   or two have one name.
  package init?(_ source: any CheckpointTensors, location: String) throws(SanaError) {
    guard let kind = try OriginalNames.kind(of: source, location: location) else { return nil }
    let embedsGuidance = source.tensor(named: "cfg_embedder.mlp.0.weight") != nil
    var views: [String: View] = [:]
    for tensor in source.tensors where !OriginalNames.unused.contains(tensor.name) {
      // A name that nobody knows stays, so that the comparison with the network can name it.
      let translation =
        OriginalNames.translate(tensor.name, of: kind, embedsGuidance: embedsGuidance)
        ?? OriginalNames.Translation(officialNames: [tensor.name])
      func mismatch(_ message: String) -> SanaError {
        SanaError(
          .tensorMismatch, "'\(tensor.name.abbreviated)' \(message)",
          remedy: "use the weights of a released model", location: location)
      }
      var shape = tensor.shape
      if translation.dropsKernelAxes, shape.count == 4, shape.suffix(2) == [1, 1] {
        shape.removeLast(2)
      }
      let partCount = translation.officialNames.count
      if partCount > 1 {
        guard let rows = shape.first, rows % partCount == 0 else {
          throw mismatch("has the shape \(shape), which is not \(partCount) matrices")
        }
        shape[0] = rows / partCount
      }
      let elementCount = tensor.elementCount / partCount
      for (index, name) in translation.officialNames.enumerated() {
        let view = View(
          tensor: CheckpointTensor(name: name, type: tensor.type, shape: shape),
          source: tensor.name, elements: index * elementCount..<(index + 1) * elementCount)
        guard views.updateValue(view, forKey: name) == nil else {
          throw mismatch("is '\(name.abbreviated)', which is there already")
        }
      }
    }
    self.source = source
    self.views = views
    sampleSize = source.tensor(named: "pos_embed").flatMap { Self.sampleSize($0.shape) }
  }

  package var sourceFiles: [SourceFile] { source.sourceFiles }

  package var tensors: [CheckpointTensor] { views.values.map(\.tensor) }

  package func tensor(named name: String) -> CheckpointTensor? { views[name]?.tensor }

  package func origin(of name: String) -> TensorOrigin? {
    views[name].flatMap { source.origin(of: $0.source) }
  }

  package func elements(of name: String) throws -> TensorElements? {
    guard let view = views[name] else { return nil }
    return try source.elements(of: view.source)?.slice(view.elements)
  }

  /// A position embedding is `[1, side * side, width]`.
  private static func sampleSize(_ shape: [Int]) -> Int? {
    guard shape.count == 3, shape[0] == 1 else { return nil }
    return (1...1024).first { $0 * $0 == shape[1] }
  }
}
