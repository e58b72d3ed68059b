public import SanaGraph
internal import SanaModels

/// The noise of one picture, as the official pipeline draws it from `torch.Generator().manual_seed(seed)`.
public struct LatentNoise: Sendable {
  private var generator: NormalGenerator
  private let shape: Shape

  /// - Parameter shape: of the latents, one picture.
  public init(seed: UInt64, shape: Shape) {
    generator = NormalGenerator(seed: seed)
    self.shape = shape
  }

  /// The next tensor of standard normal numbers. PyTorch fills `[1, channels, height, width]`; here the channels come last.
  public mutating func next() -> HostTensor {
    HostTensor(shape, channelsFirst: generator.normals(count: shape.elementCount))
  }
}
