internal import Support
package import WeightFormats

extension WeightSource {
  /// What the source holds for a weight that a graph reads.
  /// - Throws: `SanaError` `.tensorMismatch` when the weight is missing or has another shape than
  ///   the graph says.
  package func description(of parameter: Parameter) throws -> TensorDescription {
    guard let description = description(of: parameter.name) else {
      throw SanaError(
        .tensorMismatch, "the model has no tensor '\(parameter.name.abbreviated)'",
        remedy: "convert the checkpoint again", location: parameter.name)
    }
    guard description.shape == parameter.shape else {
      throw SanaError(
        .tensorMismatch,
        "tensor '\(parameter.name.abbreviated)' has shape \(description.shape), the configuration asks for \(parameter.shape)",
        remedy: "convert the checkpoint again, with the configuration that belongs to it",
        location: parameter.name)
    }
    guard parameter.access == .whole || !description.activations.isTransformed else {
      throw SanaError(
        .unsupported,
        "tensor '\(parameter.name.abbreviated)' is a table, and stored for a transformed input",
        remedy: "quantize the model again", location: parameter.name)
    }
    return description
  }

  /// What a weight's input is transformed by.
  /// - Throws: as `load`.
  package func inputTransformation(of weight: TensorDescription) throws -> InputTransformation {
    InputTransformation(
      factors: try inputFactors(of: weight), rotation: weight.activations.rotation)
  }

  /// The factors that a weight's input is multiplied by; nil where there are none.
  /// - Throws: as `load`.
  package func inputFactors(of weight: TensorDescription) throws -> [Float]? {
    guard weight.activations.hasFactors else { return nil }
    let tensor = try load(InputFactors.description(of: weight))
    return (0..<tensor.description.elementCount).map {
      tensor.values.bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self)
    }
  }

  /// Loads a weight that a graph reads.
  /// - Throws: as `description(of:)` and `load(_:)` of a description.
  package func load(_ parameter: Parameter) throws -> StoredTensor {
    try load(description(of: parameter))
  }

  /// Loads a weight.
  /// - Throws: `SanaError` `.corruptFile` when it is not what the source said it was, and what the
  ///   source throws.
  package func load(_ description: TensorDescription) throws -> StoredTensor {
    let tensor = try load(description.name)
    guard tensor.description == description else {
      throw SanaError(
        .corruptFile,
        "tensor '\(description.name.abbreviated)' is not what the file's directory says",
        remedy: "make the model file again", location: description.name)
    }
    return tensor
  }
}
