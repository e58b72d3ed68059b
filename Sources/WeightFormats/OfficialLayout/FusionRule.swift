/// A tensor as the official checkpoint has it.
public struct OfficialTensor: Hashable, Sendable {
  public let name: String
  public let shape: [Int]

  public init(name: String, shape: [Int]) {
    self.name = name
    self.shape = shape
  }

  public var elementCount: Int { shape.reduce(1, *) }
}

/// How one tensor of a `.sana` file is made of official tensors, and they of it.
public struct FusionRule: Hashable, Sendable {
  /// All but the phase kernels only move elements: whatever the number format, not a bit changes.
  public enum Fusion: String, Hashable, Sendable, CaseIterable {
    /// The same elements in the same order; axes of size one may go: `[O, I, 1, 1]` to `[O, I]`.
    case reshape
    /// The rows of the sources, one source after the other.
    case concatenateRows
    /// A convolution's `[O, I, k, k]` to `[O, k, k, I]`.
    case channelsLast
    /// A depthwise convolution's `[C, 1, k, k]` to `[k, k, C]`.
    case depthwiseChannelsLast
    /// The 3x3 kernel after a nearest-neighbour upsampling, `[O, I, 3, 3]`, to the four 2x2 kernels
    /// that do both at once, `[4 O, 2, 2, I]`, phase `2 * (row parity) + (column parity)`
    /// outermost. Sums taps; the sums are f32.
    case upsamplePhases
  }

  /// The name in the container.
  public let name: String
  /// The shape in the container.
  public let shape: [Int]
  public let fusion: Fusion
  public let sources: [OfficialTensor]

  package init(name: String, shape: [Int], fusion: Fusion, sources: [OfficialTensor]) {
    self.name = name
    self.shape = shape
    self.fusion = fusion
    self.sources = sources
  }

  public var elementCount: Int { shape.reduce(1, *) }
}
