internal import Support
internal import WeightFormats

/// Rows of a stored tensor as f32, a few at a time.
enum SourceRows {
  /// Numbers decoded at once: they and what is made of them stay in a core's second-level cache.
  private static let numbersAtOnce = 1 << 16

  /// Reads the rows once, then calls `body` for consecutive pieces of them.
  static func forEach(
    of tensor: TensorEntry, rows: Range<Int>, from source: ComponentSource, times: StageTimes,
    _ body: (_ rows: Range<Int>, _ numbers: UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let description = tensor.description
    let columns = description.columns
    guard !rows.isEmpty, columns > 0 else { return }
    let stored = StoredRows(of: description, count: rows.count)
    try times.measure(.read, byteCount: stored.byteCount) { try stored.read(rows, from: source) }

    try times.measure(.transform, byteCount: stored.byteCount) {
      let step = max(numbersAtOnce / columns, 1)
      let decoded = ScratchBuffer()
      let scratch = ScratchBuffer()
      for begin in stride(from: 0, to: rows.count, by: step) {
        let piece = begin..<min(begin + step, rows.count)
        let numbers = decoded.bytes(count: piece.count * columns * 4).bindMemory(to: Float.self)
        stored.decode(piece, into: numbers, scratch: scratch)
        try body(
          rows.lowerBound + piece.lowerBound..<rows.lowerBound + piece.upperBound,
          UnsafeBufferPointer(numbers))
      }
    }
  }
}
