internal import Support

/// Weights that can be read a few rows at a time: memory does not grow with a tensor.
package protocol RowSource: Sendable {
  /// Reads some rows of a tensor as they are stored.
  /// - Parameters:
  ///   - rows: within `0..<rows` of its description.
  ///   - values: receives the codes or numbers of these rows; aligned for their type.
  ///   - scales: receives their scales; empty where the encoding has none.
  /// - Throws: `.tensorMismatch`, `.corruptFile`, `.fileAccess`.
  func read(
    _ name: String, rows: Range<Int>, into values: UnsafeMutableRawBufferPointer,
    scales: UnsafeMutableBufferPointer<Float>
  ) throws
}

extension ComponentSource: RowSource {}

extension FusedCheckpointSource: RowSource {
  package func read(
    _ name: String, rows: Range<Int>, into values: UnsafeMutableRawBufferPointer,
    scales: UnsafeMutableBufferPointer<Float>
  ) throws {
    guard let rule = layout.rule(named: name) else {
      throw SanaError(
        .tensorMismatch, "the \(layout.kind.rawValue) has no tensor '\(name)'",
        remedy: "check that the checkpoint is of the model that is meant")
    }
    let elements = try elements(of: rule)
    let type = rule.fusedType(of: sourceTypes(of: rule))
    rule.fuse(elements, rows: rows, as: type, into: values)
    for (source, range) in zip(elements, rule.sourceRanges(of: rows)) { source.evict(range) }
  }
}

/// The files of a tokenizer, as the tensors of bytes that they are in a container.
struct DocumentSource: RowSource {
  let documents: [OfficialDocument]

  var descriptions: [TensorDescription] {
    documents.map {
      TensorDescription(name: $0.name, shape: [$0.contents.count], encoding: .plain(.u8))
    }
  }

  func read(
    _ name: String, rows: Range<Int>, into values: UnsafeMutableRawBufferPointer,
    scales: UnsafeMutableBufferPointer<Float>
  ) {
    guard let document = documents.first(where: { $0.name == name }) else { return }
    document.contents[rows].withUnsafeBytes { values.copyMemory(from: $0) }
  }
}
