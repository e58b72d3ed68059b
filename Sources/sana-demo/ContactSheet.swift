import SanaEngine

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
  private static let captionLines = 2
  private static let headerHeight = 84
  private static let scale = 2

  private var blockWidth: Int {
    variants.count * Self.thumbnail + (variants.count - 1) * Self.gap
  }

  private var blockHeight: Int {
    Self.captionLines * Self.lineHeight + 2 + Self.thumbnail + Self.blockGap
  }

  func draw() -> RGBImage {
    let rows = (entries.count + columns - 1) / columns
    var canvas = Canvas(
      width: 2 * Self.margin + columns * blockWidth + (columns - 1) * Self.blockGap,
      height: 2 * Self.margin + Self.headerHeight + rows * blockHeight - Self.blockGap)
    canvas.write(title, x: Self.margin, y: Self.margin - 4, scale: 3)
    canvas.write(subtitle, x: Self.margin, y: Self.margin + 30, .gray)
    canvas.fill(
      x: Self.margin, y: Self.margin + 78, width: canvas.width - 2 * Self.margin, height: 1, .rule)
    for column in 0..<columns {
      for (index, variant) in variants.enumerated() {
        let x = left(column) + index * (Self.thumbnail + Self.gap)
        canvas.write(variant.name, x: x, y: Self.margin + 57)
        let size = BitmapFont().width(variant.size) * Self.scale
        canvas.write(variant.size, x: x + Self.thumbnail - size, y: Self.margin + 57, .gray)
      }
    }
    for (index, entry) in entries.enumerated() {
      draw(
        entry, x: left(index % columns),
        y: Self.margin + Self.headerHeight + (index / columns) * blockHeight, &canvas)
    }
    return canvas.image
  }

  private func left(_ column: Int) -> Int {
    Self.margin + column * (blockWidth + Self.blockGap)
  }

  private func draw(_ entry: Entry, x: Int, y: Int, _ canvas: inout Canvas) {
    let lines = BitmapFont().lines(entry.prompt, width: blockWidth / Self.scale)
      .prefix(Self.captionLines)
    // A short caption stands directly above its pictures.
    let first = y + (Self.captionLines - lines.count) * Self.lineHeight
    for (index, line) in lines.enumerated() {
      canvas.write(line, x: x, y: first + index * Self.lineHeight + 4)
    }
    let top = y + Self.captionLines * Self.lineHeight + 2
    for (index, picture) in entry.pictures.enumerated() {
      let left = x + index * (Self.thumbnail + Self.gap)
      canvas.fill(
        x: left - 1, y: top - 1, width: Self.thumbnail + 2, height: Self.thumbnail + 2, .rule)
      canvas.paint(picture, x: left, y: top, side: Self.thumbnail)
      if !entry.verdicts[index].isRight {
        canvas.fill(
          x: left, y: top + Self.thumbnail + 3, width: Self.thumbnail, height: 3, .alarm)
      }
    }
  }
}
