internal import SanaGraph

/// How the positions and output channels of a product are cut into tasks.
///
/// The cut has no influence on results. A floating-point task decodes the weights of its channels, which pays when it has many
/// positions.
struct ProductTasks {
  let rows: Int
  let columns: Int
  let rowLength: Int
  let columnLength: Int

  /// A multiple of the kernels' tile heights and of their panel widths.
  private static let tileRows = 12
  static let panelColumns = 32
  /// Multiplications of a task, about: few enough for a task to end soon after the work is
  /// cancelled.
  private static let mostProducts = 1 << 32

  var count: Int { rowCount * columnCount }
  private var rowCount: Int { (rows + rowLength - 1) / rowLength }
  private var columnCount: Int { (columns + columnLength - 1) / columnLength }

  /// The ranges of a task.
  subscript(index: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    let (row, column) = index.quotientAndRemainder(dividingBy: columnCount)
    return (
      row * rowLength..<min((row + 1) * rowLength, rows),
      column * columnLength..<min((column + 1) * columnLength, columns)
    )
  }

  static func floatingPoint(rows: Int, columns: Int, depth: Int, threads: Int) -> ProductTasks {
    let wanted = threads > 1 ? 8 * threads : 1
    let widest = 256
    var columnLength = min(widest, columns)
    let columnCount = (columns + widest - 1) / widest
    let rowCount = max(
      min((wanted + columnCount - 1) / columnCount, rows / 384),
      leastRowCount(rows: rows, products: columnLength * depth))
    if threads > 1, rowCount * columnCount < 4 * threads {
      let narrow = columns * rowCount / (4 * threads)
      columnLength = min(columnLength, max(2 * panelColumns, narrow))
    }
    return ProductTasks(rows: rows, columns: columns, rowCount, columnLength)
  }

  /// Of a convolution by tiles, which transforms the weights of its channels.
  /// - Parameter depth: multiplications for each row and column.
  static func tiles(rows: Int, columns: Int, depth: Int, threads: Int) -> ProductTasks {
    let columnLength = 64
    let columnCount = (columns + columnLength - 1) / columnLength
    let wanted = threads > 1 ? 8 * threads : 1
    let rowCount = max(
      min((wanted + columnCount - 1) / columnCount, rows / 768),
      leastRowCount(rows: rows, products: columnLength * depth))
    return ProductTasks(rows: rows, columns: columns, rowCount, columnLength)
  }

  /// - Parameter products: of a row of a task.
  private static func leastRowCount(rows: Int, products: Int) -> Int {
    let mostRows = max(mostProducts / max(products, 1), 1)
    return max((rows + mostRows - 1) / mostRows, 1)
  }

  /// Of quantized rows. Tasks are small, so that threads end at the same time; a task's rows and the weights of its channels stay
  /// in the second-level cache together, and the rows for the tasks that follow.
  static func int8(rows: Int, columns: Int, depth: Int, threads: Int) -> ProductTasks {
    let highest = max(tileRows, min(192, 384 * 1024 / max(depth, 1)) / tileRows * tileRows)
    let rowCount = max(1, (rows + highest - 1) / highest)
    let narrow = columns * rowCount / (16 * threads)
    let columnLength = threads > 1 ? min(max(narrow, 2 * panelColumns), 3 * panelColumns) : columns
    return ProductTasks(rows: rows, columns: columns, rowCount, columnLength)
  }

  /// Of quantized rows by codes that a task packs: all rows, so that they are packed once.
  /// - Parameter columnLength: what is packed at a time.
  static func stored(rows: Int, columns: Int, columnLength: Int, threads: Int) -> ProductTasks {
    let narrow = columns / (8 * threads)
    return ProductTasks(
      rows: rows, columns: columns, 1,
      threads > 1 ? max(min(columnLength, narrow), panelColumns) : columnLength)
  }

  private init(rows: Int, columns: Int, _ rowCount: Int, _ columnLength: Int) {
    self.rows = rows
    self.columns = columns
    let rowLength = (rows + rowCount - 1) / rowCount
    self.rowLength = max(1, (rowLength + Self.tileRows - 1) / Self.tileRows) * Self.tileRows
    self.columnLength =
      max(1, (columnLength + Self.panelColumns - 1) / Self.panelColumns) * Self.panelColumns
  }
}
