package import Support

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Rows of a tensor as they are stored, in memory that is aligned for their numbers.
package final class StoredRows {
  private let description: TensorDescription
  private let memory = ScratchBuffer()
  package let values: UnsafeMutableRawBufferPointer
  private let scales: UnsafeMutableBufferPointer<Float>
  private let rowByteCount: Int
  private let scalesPerRow: Int
  /// Undone when rows are decoded.
  private var transformation = InputTransformation()

  package var columns: Int { description.columns }

  package init(of description: TensorDescription, count: Int) {
    self.description = description
    rowByteCount = description.valueByteCount / max(description.rows, 1)
    scalesPerRow = description.scaleCount / max(description.rows, 1)
    let valueByteCount = count * rowByteCount
    let scaleOffset = (valueByteCount + 63) / 64 * 64
    let bytes = memory.bytes(count: scaleOffset + count * scalesPerRow * 4)
    values = UnsafeMutableRawBufferPointer(rebasing: bytes[..<valueByteCount])
    scales = UnsafeMutableRawBufferPointer(rebasing: bytes[scaleOffset...])
      .bindMemory(to: Float.self)
  }

  /// Bytes of the values and scales.
  package var byteCount: Int { values.count + scales.count * MemoryLayout<Float>.size }

  /// - Parameter rows: as many as there is room for.
  package func read(_ rows: Range<Int>, from source: any RowSource) throws {
    try source.read(description.name, rows: rows, into: values, scales: scales)
    if description.activations.isTransformed {
      transformation = try InputTransformation(of: description, from: source)
    }
  }

  /// Whether the same bytes stand for the same numbers, and are the same.
  func hasSameBytes(as other: StoredRows) -> Bool {
    guard transformation == other.transformation else { return false }
    func isEqual(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Bool {
      guard first.count == second.count else { return false }
      guard let first = first.baseAddress, let start = second.baseAddress else { return true }
      return memcmp(first, start, second.count) == 0
    }
    return isEqual(UnsafeRawBufferPointer(values), UnsafeRawBufferPointer(other.values))
      && isEqual(UnsafeRawBufferPointer(scales), UnsafeRawBufferPointer(other.scales))
  }

  /// The weights that some of the rows stand for, counted from the first that was read: those of a
  /// product's input as it is, also where they are stored for a transformed one.
  package func decode(
    _ rows: Range<Int>, into output: UnsafeMutableBufferPointer<Float>, scratch: ScratchBuffer
  ) {
    description.encoding.decode(
      UnsafeRawBufferPointer(
        rebasing: values[rows.lowerBound * rowByteCount..<rows.upperBound * rowByteCount]),
      scales: UnsafeBufferPointer(
        rebasing: scales[rows.lowerBound * scalesPerRow..<rows.upperBound * scalesPerRow]),
      rows: rows.count, columns: columns, into: output, scratch: scratch)
    if !transformation.isIdentity { transformation.undo(in: output, columns: columns) }
  }
}
