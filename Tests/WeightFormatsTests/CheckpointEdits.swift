import WeightFormats

/// Makes checkpoints that nobody released.
enum CheckpointEdits {
  /// Copies a safetensors file with other numbers in it; the copy may stand in the place of the file.
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

  /// Gives some of the numbers of some tensors other values, in the file itself.
  /// - Parameter values: by the tensor's name and the number's position.
  static func set(_ values: [String: [Int: Float]], in path: String) throws {
    try rewrite(path, as: path) { name, elements in
      guard let values = values[name] else { return elements }
      return TensorElements(
        type: .f32,
        bytes: TensorBytes(byteCount: elements.count * 4) { memory in
          elements.write(as: .f32, to: memory)
          for (index, value) in values {
            memory.storeBytes(of: value, toByteOffset: index * 4, as: Float.self)
          }
        }
      ).converted(to: elements.type)
    }
  }
}
