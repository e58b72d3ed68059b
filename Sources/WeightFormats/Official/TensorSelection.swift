/// Some tensors of a checkpoint under other names.
package struct TensorSelection: CheckpointTensors {
  private let source: any CheckpointTensors
  private let sourceNames: [String: String]
  package let tensors: [CheckpointTensor]

  /// - Parameter sourceNames: the names to give, and those that the source has.
  init(_ source: any CheckpointTensors, sourceNames: [String: String]) {
    self.source = source
    self.sourceNames = sourceNames
    tensors = sourceNames.compactMap { name, sourceName in
      source.tensor(named: sourceName).map {
        CheckpointTensor(name: name, type: $0.type, shape: $0.shape)
      }
    }
  }

  package var sourceFiles: [SourceFile] { source.sourceFiles }

  package func tensor(named name: String) -> CheckpointTensor? {
    sourceNames[name].flatMap { source.tensor(named: $0) }.map {
      CheckpointTensor(name: name, type: $0.type, shape: $0.shape)
    }
  }

  package func origin(of name: String) -> TensorOrigin? {
    sourceNames[name].flatMap { source.origin(of: $0) }
  }

  package func elements(of name: String) throws -> TensorElements? {
    try sourceNames[name].flatMap { try source.elements(of: $0) }
  }
}
