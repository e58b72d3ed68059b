import SanaEngine
import SanaGraph
import Traces

extension HostTensor {
  /// A recorded activation, channels last. Four axes are `[batch, channels, height, width]`, three are `[batch, tokens, channels]`, two
  /// `[batch, channels]`, one `[batch]`.
  init(_ array: TraceArray<Float>) {
    let axes = array.shape
    switch axes.count {
    case 4:
      self.init(
        Shape(batch: axes[0], height: axes[2], width: axes[3], channels: axes[1]),
        channelsFirst: array.values)
    case 3:
      self.init(.tokens(batch: axes[0], count: axes[1], channels: axes[2]), array.values)
    default:
      self.init(
        .tokens(batch: axes[0], count: 1, channels: axes.dropFirst().first ?? 1), array.values)
    }
  }

  /// The same tokens seen as the pixels of an image.
  func image(height: Int, width: Int) -> HostTensor {
    HostTensor(
      Shape(batch: shape.batch, height: height, width: width, channels: shape.channels), values)
  }

  /// The first `counts[b]` positions of each batch element b, one after the other.
  func values(firstPositions counts: [Int]) -> [Float] {
    counts.enumerated().flatMap { batch, count in
      let start = batch * shape.positions * shape.channels
      return values[start..<start + count * shape.channels]
    }
  }

  /// A copy with only the first `count` positions of each batch element.
  func prefix(positions count: Int) -> HostTensor {
    HostTensor(
      .tokens(batch: shape.batch, count: count, channels: shape.channels),
      values(firstPositions: Array(repeating: count, count: shape.batch)))
  }
}

extension Comparison {
  /// Compares a value with a recorded activation, whatever the order of its axes.
  /// - Parameter tokenCounts: compare only so many tokens of each batch element, of an activation `[batch, tokens, channels]`.
  init(recorded: TraceArray<Float>, result: HostTensor, tokenCounts: [Int]? = nil) throws {
    if recorded.shape.count == 4 {
      try self.init(reference: recorded.values, result: result.channelsFirstValues)
    } else if let tokenCounts {
      try self.init(
        reference: HostTensor(recorded).values(firstPositions: tokenCounts),
        result: result.values(firstPositions: tokenCounts))
    } else {
      try self.init(reference: recorded.values, result: result.values)
    }
  }
}

extension TraceArray where Element: BinaryInteger {
  /// Of an attention mask `[batch, tokens]`: how many tokens of each element exist.
  var tokenCounts: [Int] {
    (0..<shape[0]).map { self[$0].values.reduce(0) { $0 + Int($1) } }
  }
}
