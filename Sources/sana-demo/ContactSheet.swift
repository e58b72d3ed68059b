import SanaEngine
import SanaGraph

/// All pictures of all variants on one sheet: a block for each prompt, the variants side by side in it.
struct ContactSheet {
  struct Entry {
    let prompt: String
    /// One for each variant.
    let pictures: [RGBImage]
    let verdicts: [SceneChecker.Verdict]
  }

  let title: String
  let subtitle: String
  let variants: [(name: String, size: String)]
  let entries: [Entry]
  /// Blocks side by side.
  let columns: Int

  private static let thumbnail = 144
  private static let gap = 8
  private static let margin = 28
  private static let blockGap = 28
  private static let lineHeight = 22
  private static let mostCaptionLines = 2
  private static let headerHeight = 112
  private static let scale = 2

  private var blockWidth: Int {
    variants.count * Self.thumbnail + (variants.count - 1) * Self.gap
  }

  func draw() -> RGBImage {
    let rows = stride(from: 0, to: entries.count, by: columns).map {
      Array(entries[$0..<min($0 + columns, entries.count)])
    }
    let captions = rows.map { $0.map { lines($0.prompt) } }
    let captionHeights = captions.map { ($0.map(\.count).max() ?? 0) * Self.lineHeight + 4 }
    var canvas = Canvas(
      width: 2 * Self.margin + columns * blockWidth + (columns - 1) * Self.blockGap,
      height: Self.margin + Self.headerHeight + captionHeights.reduce(0, +)
        + rows.count * (Self.thumbnail + Self.blockGap))
    drawHeader(&canvas)
    var top = Self.margin + Self.headerHeight
    for (row, entries) in rows.enumerated() {
      for (column, entry) in entries.enumerated() {
        let lines = captions[row][column]
        // A short caption stands directly above its pictures.
        let first = top + captionHeights[row] - 4 - lines.count * Self.lineHeight
        for (index, line) in lines.enumerated() {
          canvas.write(line, x: left(column), y: first + index * Self.lineHeight)
        }
        draw(entry, x: left(column), y: top + captionHeights[row], &canvas)
      }
      top += captionHeights[row] + Self.thumbnail + Self.blockGap
    }
    return canvas.image
  }

  private func lines(_ caption: String) -> [String] {
    Array(
      BitmapFont().lines(caption, width: blockWidth / Self.scale).prefix(Self.mostCaptionLines))
  }

  private func left(_ column: Int) -> Int {
    Self.margin + column * (blockWidth + Self.blockGap)
  }

  private func drawHeader(_ canvas: inout Canvas) {
    canvas.write(title, x: Self.margin, y: Self.margin, scale: 3)
    canvas.write(subtitle, x: Self.margin, y: Self.margin + 34, .gray)
    for column in 0..<columns {
      for (index, variant) in variants.enumerated() {
        let x = left(column) + index * (Self.thumbnail + Self.gap)
        canvas.write(variant.name, x: x, y: Self.margin + 72)
        let size = BitmapFont().width(variant.size) * Self.scale
        canvas.write(variant.size, x: x + Self.thumbnail - size, y: Self.margin + 72, .gray)
      }
      canvas.fill(
        x: left(column), y: Self.margin + 96, width: blockWidth, height: 1, .rule)
    }
  }

  private func draw(_ entry: Entry, x: Int, y: Int, _ canvas: inout Canvas) {
    for (index, picture) in entry.pictures.enumerated() {
      let left = x + index * (Self.thumbnail + Self.gap)
      canvas.fill(
        x: left - 1, y: y - 1, width: Self.thumbnail + 2, height: Self.thumbnail + 2, .rule)
      canvas.paint(picture, x: left, y: y, side: Self.thumbnail)
      if !entry.verdicts[index].isRight {
        canvas.fill(
          x: left, y: y + Self.thumbnail + 3, width: Self.thumbnail, height: 3, .alarm)
      }
    }
  }
}
