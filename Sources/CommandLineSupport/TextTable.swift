internal import Support

/// Rows of text in aligned columns, for a terminal or a log.
public struct TextTable: Sendable {
  public enum Alignment: Sendable {
    case left
    case right
  }

  public struct Column: Sendable {
    public let title: String
    public let alignment: Alignment

    public init(_ title: String, _ alignment: Alignment = .left) {
      self.title = title
      self.alignment = alignment
    }
  }

  private let columns: [Column]
  private var rows: [[String]] = []

  public init(_ columns: [Column]) { self.columns = columns }

  /// A cell that holds more is abbreviated.
  private static let widestCell = 100

  /// Cells beyond the last column are dropped, missing ones are empty.
  public mutating func append(_ cells: [String]) {
    rows.append(
      columns.indices.map { $0 < cells.count ? cells[$0].printable(limit: Self.widestCell) : "" })
  }

  /// A title line, a rule and one line a row, each ending in a newline.
  public var text: String {
    let widths = columns.indices.map { column in
      rows.reduce(columns[column].title.count) { max($0, $1[column].count) }
    }
    let rule = widths.map { String(repeating: "-", count: $0) }
    return ([columns.map(\.title), rule] + rows)
      .map { line($0, widths) + "\n" }.joined()
  }

  private func line(_ cells: [String], _ widths: [Int]) -> String {
    var line = ""
    for (column, cell) in cells.enumerated() {
      let padding = String(repeating: " ", count: widths[column] - cell.count)
      line += column == 0 ? "" : "  "
      line += columns[column].alignment == .left ? cell + padding : padding + cell
    }
    while line.last == " " { line.removeLast() }
    return line
  }
}
