import WeightFormats

/// Makes checkpoints that nobody released.
enum CheckpointEdits {
  /// Copies a safetensors file with other numbers in it.
  static func rewrite(
    _ source: String, as target: String,
    _ edit: (_ name: String, _ elements: TensorElements) -> TensorElements
  ) throws {
    let file = try SafetensorsFile(path: source)
    let edited = file.tensors.compactMap { tensor in
      file.bytes(of: tensor.name).map {
        (tensor, edit(tensor.name, TensorElements(type: tensor.type, bytes: $0)))
      }
    }
    let writer = try SafetensorsWriter(
      path: target,
      tensors: edited.map { SafetensorsTensor(name: $0.name, type: $1.type, shape: $0.shape) })
    for (tensor, elements) in edited { try writer.write(elements.bytes.bytes, as: tensor.name) }
    try writer.finish()
  }
}
