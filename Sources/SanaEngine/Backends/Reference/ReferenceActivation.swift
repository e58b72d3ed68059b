internal import SanaGraph

/// One f32 activation at its place in the arena.
struct ReferenceActivation {
  let shape: Shape
  private let values: UnsafeMutableBufferPointer<Float>

  init(shape: Shape, bytes: UnsafeMutableRawBufferPointer) {
    self.shape = shape
    self.values = bytes.bindMemory(to: Float.self)
  }

  /// Channels of one position (pixel or token); rows run through batch elements, then image rows, then columns.
  subscript(row row: Int, channel: Int) -> Double {
    get { Double(values[row * shape.channels + channel]) }
    nonmutating set { values[row * shape.channels + channel] = Float(newValue) }
  }

  /// Channel of a pixel, or `nil` outside the image.
  subscript(batch: Int, y: Int, x: Int, channel: Int) -> Double? {
    guard let row = row(batch, y, x) else { return nil }
    return self[row: row, channel]
  }

  /// The row of a pixel, or `nil` outside the image.
  func row(_ batch: Int, _ y: Int, _ x: Int) -> Int? {
    guard 0..<shape.height ~= y, 0..<shape.width ~= x else { return nil }
    return (batch * shape.height + y) * shape.width + x
  }

  /// All channels of one position.
  func channels(row: Int) -> [Double] {
    (0..<shape.channels).map { self[row: row, $0] }
  }

  /// Calls the body with every row and the batch element it belongs to.
  func forEachRow(_ body: (_ row: Int, _ batch: Int) -> Void) {
    for row in 0..<shape.rows { body(row, row / shape.positions) }
  }

  /// Calls the body with every pixel and its row.
  func forEachPixel(_ body: (_ row: Int, _ batch: Int, _ y: Int, _ x: Int) -> Void) {
    for batch in 0..<shape.batch {
      for y in 0..<shape.height {
        for x in 0..<shape.width { body((batch * shape.height + y) * shape.width + x, batch, y, x) }
      }
    }
  }
}

/// One row of a modulation value: a vector for each batch element.
struct ReferenceModulation {
  let value: ReferenceActivation
  /// Channels of the activation that is modulated.
  let channels: Int
  let index: Int

  subscript(batch: Int, channel: Int) -> Double {
    value[row: batch, index * channels + channel]
  }
}
