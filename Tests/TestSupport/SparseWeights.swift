internal import Foundation
internal import Support
public import WeightFormats

/// Weights of full size whose numbers are all zero and take no room on the disk, behind true headers.
public enum SparseWeights {
  /// Writes one safetensors file, making the folders on the way.
  public static func write(_ tensors: [CheckpointTensor], to path: String) throws {
    var members: [MetadataValue.Member] = []
    var end = 0
    for tensor in tensors {
      let start = end
      end += tensor.byteCount
      members.append(
        .init(
          tensor.name,
          [
            "dtype": .string(tensor.type.rawValue),
            "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
            "data_offsets": [.integer(Int64(start)), .integer(Int64(end))],
          ]))
    }
    let header = JSONWriter.write(.object(members))
    let prefix = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
    let file = URL(filePath: path)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(prefix).write(to: file)
    let handle = try FileHandle(forUpdating: file)
    try handle.truncate(atOffset: UInt64(prefix.count + end))
    try handle.close()
  }

  /// Writes a file for each group of tensors and, for more than one, the index that names them.
  /// - Parameters:
  ///   - files: names and contents, in the folder.
  ///   - index: the index's name.
  public static func write(
    _ files: [(name: String, tensors: [CheckpointTensor])], index: String, to folder: String
  ) throws {
    for file in files { try write(file.tensors, to: "\(folder)/\(file.name)") }
    guard files.count > 1 else { return }
    let map = files.flatMap { file in
      file.tensors.map { MetadataValue.Member($0.name, .string(file.name)) }
    }
    try Data(JSONWriter.write(["weight_map": .object(map)]))
      .write(to: URL(filePath: "\(folder)/\(index)"))
  }
}
