/// Permutations of raw elements: they know a number's size and nothing else about it.
enum ElementMovement {
  /// A matrix inside a larger one.
  struct Window {
    let rows: Int
    let columns: Int
    /// Elements from the start of a source row to the start of the next.
    let stride: Int

    init(rows: Int, columns: Int, stride: Int? = nil) {
      self.rows = rows
      self.columns = columns
      self.stride = stride ?? columns
    }
  }

  /// Writes the window's transpose, `[columns, rows]`.
  static func transpose(
    _ source: UnsafeRawBufferPointer, _ window: Window, to target: UnsafeMutableRawBufferPointer,
    elementSize: Int
  ) {
    if elementSize == 2 {
      transpose(source, window, to: target, as: UInt16.self)
    } else {
      precondition(elementSize == 4, "floating-point types have 2 or 4 bytes")
      transpose(source, window, to: target, as: UInt32.self)
    }
  }

  private static func transpose<Element: FixedWidthInteger>(
    _ source: UnsafeRawBufferPointer, _ window: Window, to target: UnsafeMutableRawBufferPointer,
    as type: Element.Type
  ) {
    guard window.rows > 0, window.columns > 0 else { return }
    let size = MemoryLayout<Element>.size
    precondition(
      source.count >= ((window.rows - 1) * window.stride + window.columns) * size
        && target.count >= window.rows * window.columns * size)
    guard let from = source.baseAddress, let to = target.baseAddress else { return }
    for row in 0..<window.rows {
      for column in 0..<window.columns {
        let element = (from + (row * window.stride + column) * size).loadUnaligned(as: type)
        (to + (column * window.rows + row) * size).storeBytes(of: element, as: type)
      }
    }
  }
}
