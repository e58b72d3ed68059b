internal import SanaGraph

/// How one of the two passes of ReLU attention by sums goes through an image in bands of rows.
struct AttentionBands {
  /// What is done in a band.
  struct Band {
    /// Image rows that are multiplied.
    let multiplied: Range<Int>
    /// Image rows of the product that are in memory from then on.
    let held: Range<Int>
    /// Positions that are summed, or attend: those whose neighbours are in memory. None where more
    /// rows must come first.
    let attended: Range<Int>
  }

  let all: [Band]

  /// - Parameters:
  ///   - rows: that are multiplied at a time.
  ///   - margin: rows above and below that a position reads.
  ///   - multiple: of positions, at which a band ends, but for the last.
  init(_ size: Shape, rows: Int, margin: Int, multiple: Int) {
    var bands: [Band] = []
    var (multiplied, attended) = (0, 0)
    while attended < size.positions {
      let end = min(multiplied + rows, size.height)
      let readable =
        end == size.height
        ? size.positions : max(end - margin, 0) * size.width / multiple * multiple
      bands.append(
        Band(
          multiplied: multiplied..<end, held: max(attended / size.width - margin, 0)..<end,
          attended: attended..<max(readable, attended)))
      (multiplied, attended) = (end, max(readable, attended))
    }
    all = bands
  }

  /// The most image rows that are in memory at a time, that are multiplied, and the most positions
  /// that attend.
  var heldRows: Int { all.map(\.held.count).max() ?? 0 }
  var multipliedRows: Int { all.map(\.multiplied.count).max() ?? 0 }
  var attendedPositions: Int { all.map(\.attended.count).max() ?? 0 }
}
