/// The tensors of one official network under their official names, wherever they come from:
/// safetensors files, a torch file, other names, or a checkpoint with adapters merged in.
package protocol CheckpointTensors: Sendable {
  /// The files that the bytes are in.
  var sourceFiles: [SourceFile] { get }
  /// Every tensor, in no particular order.
  var tensors: [CheckpointTensor] { get }
  /// Side of the latents that a transformer was trained on, where a position embedding in the file
  /// tells.
  var sampleSize: Int? { get }
  func tensor(named name: String) -> CheckpointTensor?
  /// Where a tensor's numbers stand; `nil` when there is no such tensor.
  func origin(of name: String) -> TensorOrigin?
  /// The numbers of a tensor, as many as its shape says. Their type is the tensor's, or f32 where
  /// they were computed and have yet to be rounded; `nil` when there is no such tensor.
  /// - Throws: `.corruptFile` when the file says that these are not the bytes that were written.
  func elements(of name: String) throws -> TensorElements?
}

extension CheckpointTensors {
  package var sampleSize: Int? { nil }
}

/// A file that weights were read from.
package struct SourceFile: Hashable, Sendable {
  package let path: String
  package let byteCount: Int
  /// The one of a torch file's dictionaries that they were read from; `nil` where that is all of
  /// it.
  package let dictionary: String?

  package init(path: String, byteCount: Int, dictionary: String? = nil) {
    self.path = path
    self.byteCount = byteCount
    self.dictionary = dictionary
  }
}

/// A tensor of a file, under the name that it has there.
package struct TensorOrigin: Hashable, Sendable {
  package let path: String
  package let name: String

  package init(path: String, name: String) {
    self.path = path
    self.name = name
  }
}
