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
    let valueBytes = description.valueByteCount / description.rows
    let scalesPerRow = description.scaleCount / description.rows
    let memory = ScratchBuffer()
    let valueCount = rows.count * valueBytes
    let scaleOffset = (valueCount + 63) / 64 * 64
    let stored = memory.bytes(count: scaleOffset + rows.count * scalesPerRow * 4)
    let values = UnsafeMutableRawBufferPointer(rebasing: stored[..<valueCount])
    let scales = UnsafeMutableRawBufferPointer(rebasing: stored[scaleOffset...])
      .bindMemory(to: Float.self)
    try times.measure(.read, byteCount: stored.count) {
      try source.read(tensor.name, rows: rows, into: values, scales: scales)
    }

    try times.measure(.transform, byteCount: stored.count) {
      let step = max(numbersAtOnce / columns, 1)
      let decoded = ScratchBuffer()
      let scratch = ScratchBuffer()
      for begin in stride(from: 0, to: rows.count, by: step) {
        let piece = begin..<min(begin + step, rows.count)
        let pieceValues = UnsafeRawBufferPointer(
          rebasing: values[piece.lowerBound * valueBytes..<piece.upperBound * valueBytes])
        let numbers = decoded.bytes(count: piece.count * columns * 4).bindMemory(to: Float.self)
        description.encoding.decode(
          pieceValues,
          scales: UnsafeBufferPointer(
            rebasing: scales[piece.lowerBound * scalesPerRow..<piece.upperBound * scalesPerRow]),
          rows: piece.count, columns: columns, into: numbers, scratch: scratch)
        try body(
          rows.lowerBound + piece.lowerBound..<rows.lowerBound + piece.upperBound,
          UnsafeBufferPointer(numbers))
      }
    }
  }
}
