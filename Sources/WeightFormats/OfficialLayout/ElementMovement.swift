/// Permutations of raw elements: they know a number's size and nothing else about it.
enum ElementMovement {
  /// Transposes each of `batches` matrices of `rows` by `columns`.
  static func transpose(
    _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer, batches: Int,
    rows: Int, columns: Int, elementSize: Int
  ) {
    switch elementSize {
    case 1: transpose(source, to: target, batches, rows, columns, as: UInt8.self)
    case 2: transpose(source, to: target, batches, rows, columns, as: UInt16.self)
    case 4: transpose(source, to: target, batches, rows, columns, as: UInt32.self)
    case 8: transpose(source, to: target, batches, rows, columns, as: UInt64.self)
    default: preconditionFailure("no scalar type has \(elementSize) bytes")
    }
  }

  private static func transpose<Element: FixedWidthInteger>(
    _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer, _ batches: Int,
    _ rows: Int, _ columns: Int, as type: Element.Type
  ) {
    let size = MemoryLayout<Element>.size
    let matrix = rows * columns * size
    precondition(source.count >= batches * matrix && target.count >= batches * matrix)
    guard let from = source.baseAddress, let to = target.baseAddress else { return }
    for batch in 0..<batches {
      let from = from + batch * matrix
      let to = to + batch * matrix
      for row in 0..<rows {
        for column in 0..<columns {
          let element = (from + (row * columns + column) * size).loadUnaligned(as: Element.self)
          (to + (column * rows + row) * size).storeBytes(of: element, as: Element.self)
        }
      }
    }
  }
}
