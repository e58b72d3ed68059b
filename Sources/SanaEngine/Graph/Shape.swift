/// The shape of an activation, channels last: `[batch, height, width, channels]`.
///
/// Tokens and pixels have the same layout: a token sequence is an image of height 1. So a 1x1 convolution is a `linear`, and
/// nothing is ever transposed.
public struct Shape: Hashable, Sendable {
  public var batch: Int
  public var height: Int
  public var width: Int
  public var channels: Int

  public init(batch: Int, height: Int, width: Int, channels: Int) {
    self.batch = batch
    self.height = height
    self.width = width
    self.channels = channels
  }

  /// A sequence of `count` tokens, or one vector for `count` 1.
  public static func tokens(batch: Int, count: Int, channels: Int) -> Shape {
    Shape(batch: batch, height: 1, width: count, channels: channels)
  }

  /// Pixels or tokens of one batch element.
  public var positions: Int { height * width }
  /// Pixels or tokens of all batch elements: the row count of the matrix that a `linear` sees.
  public var rows: Int { batch * height * width }
  public var elementCount: Int { rows * channels }

  /// The same images, another number of them.
  public func with(batch: Int) -> Shape {
    Shape(batch: batch, height: height, width: width, channels: channels)
  }

  /// The same positions with another channel count.
  public func with(channels: Int) -> Shape {
    Shape(batch: batch, height: height, width: width, channels: channels)
  }
}

extension Shape: CustomStringConvertible {
  public var description: String { "[\(batch), \(height)x\(width), \(channels)]" }
}
