internal import SanaEngine

/// The text encoder's rows as the transformer takes them, only those that exist.
struct Captions {
  /// `[batch, 1 x longest, channels]`, zero after each element's own rows.
  let tensor: HostTensor
  /// Rows of each batch element.
  let counts: [Int]

  var longest: Int { tensor.shape.width }

  /// The counts as the step graph takes them.
  var countTensor: HostTensor {
    HostTensor(
      .tokens(batch: counts.count, count: 1, channels: 1), integers: counts.map(Int32.init))
  }

  /// - Parameter elements: the rows of each batch element, `count * channels` numbers.
  init(_ elements: [[Float]], channels: Int) {
    counts = elements.map { $0.count / channels }
    let longest = max(1, counts.max() ?? 1)
    let values = elements.flatMap {
      $0 + [Float](repeating: 0, count: longest * channels - $0.count)
    }
    tensor = HostTensor(
      .tokens(batch: elements.count, count: longest, channels: channels), values)
  }

  /// The rows of one batch element.
  func element(_ index: Int) -> [Float] {
    let channels = tensor.shape.channels
    let start = index * longest * channels
    return Array(tensor.values[start..<start + counts[index] * channels])
  }
}
