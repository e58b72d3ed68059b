import Foundation
import TestSupport
import WeightFormats

/// Makes checkpoints that nobody released.
enum CheckpointEdits {
  /// Copies a safetensors file with other numbers in it; the copy may stand in the place of the
  /// file.
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
      tensors: edited.map { CheckpointTensor(name: $0.name, type: $1.type, shape: $0.shape) })
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

  typealias Tensors = [(tensor: CheckpointTensor, bytes: [UInt8])]

  /// All tensors of a file, or of the set that it is a part or the index of, by name.
  static func tensors(_ path: String) throws -> Tensors {
    try tensors(of: WeightFiles.open(file: path))
  }

  /// The tensors of one file, whatever it is a part of.
  static func tensors(ofFile path: String) throws -> Tensors {
    try tensors(of: WeightCollection(paths: [path]))
  }

  private static func tensors(of weights: WeightCollection) throws -> Tensors {
    try weights.tensors.sorted { $0.name < $1.name }.compactMap { tensor in
      guard let elements = try weights.elements(of: tensor.name) else { return nil }
      return (tensor, elements.bytes.array)
    }
  }

  /// Writes a safetensors file, or a torch file for the other names.
  static func write(
    _ tensors: Tensors, to path: String, metadata: [String: String] = ["format": "pt"]
  ) throws {
    guard path.hasSuffix(".safetensors") else {
      return try Data(TorchSample.file(tensors)).write(to: URL(filePath: path))
    }
    let writer = try SafetensorsWriter(
      path: path, tensors: tensors.map(\.tensor), metadata: metadata)
    for (tensor, bytes) in tensors {
      try bytes.withUnsafeBytes { try writer.write($0, as: tensor.name) }
    }
    try writer.finish()
  }
}

extension CheckpointEdits.Tensors {
  /// The same tensors under other names.
  func renamed(_ name: (String) -> String) -> Self {
    map {
      (
        CheckpointTensor(name: name($0.tensor.name), type: $0.tensor.type, shape: $0.tensor.shape),
        $0.bytes
      )
    }
  }
}
