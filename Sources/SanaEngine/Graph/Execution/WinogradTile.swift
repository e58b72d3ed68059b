/// The results that Winograd's algorithm computes a 3x3 convolution of int8 activations by. Which
/// one is meant is a property of the processor (`InstructionSet.winogradTile`).
public enum WinogradTile: Int, Sendable {
  /// F(2x2, 3x3), the points quantized to int8.
  case twoByTwo = 2
  /// F(4x4, 3x3), the points quantized to as many bits as sums in int32 have room for.
  case fourByFour = 4

  /// Results along each side.
  package var side: Int { rawValue }
}
