internal import CKernels
internal import Support
internal import Traces

/// What is gathered of one input: rows, which go to the file at once, and what all rows have in
/// common.
final class GatheredInput {
  private let writer: TraceWriter
  private let path: String
  private let columns: Int
  private var selection: RowSelection
  private var maxima: [Float]
  private var squares: [Double]
  private var hash = SHA256()

  var seenRows: Int { selection.seen }
  var keptRows: Int { selection.taken }

  /// - Parameter path: of a group of the file.
  init(
    to writer: TraceWriter, _ path: String, columns: Int, _ selection: RowSelection
  ) throws {
    self.writer = writer
    self.path = path
    self.columns = columns
    self.selection = selection
    maxima = [Float](repeating: 0, count: columns)
    squares = [Double](repeating: 0, count: columns)
    try writer.createRows("\(path)/rows", count: selection.wanted, columns: columns)
  }

  /// - Parameter values: rows, one after the other.
  func add(_ values: UnsafeBufferPointer<Float>) throws {
    let count = values.count / columns
    if count > 0, let start = values.baseAddress {
      sana_add_column_statistics(start, count, columns, &maxima, &squares)
    }
    let first = keptRows
    let kept = selection.take(count).flatMap { values[$0 * columns..<($0 + 1) * columns] }
    try kept.withUnsafeBufferPointer {
      hash.update(UnsafeRawBufferPointer($0))
      try writer.write(rows: first..<keptRows, $0, to: "\(path)/rows")
    }
  }

  /// Writes what the rows have in common.
  /// - Returns: the digest of all that was written; nil where a number is NaN or infinite.
  func finish() throws -> String? {
    let means = squares.map { Float($0 / Double(max(seenRows, 1))) }
    guard means.allSatisfy(\.isFinite) else { return nil }
    for (name, numbers) in [("maxima", maxima), ("mean_squares", means)] {
      numbers.withUnsafeBytes { hash.update($0) }
      try writer.write(
        TraceArray(shape: [columns], values: numbers), to: "\(path)/\(name)")
    }
    return hash.finish()
  }
}
