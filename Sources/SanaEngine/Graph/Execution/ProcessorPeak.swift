/// What the arithmetic units of a device can do together, in operations (additions and
/// multiplications) a second.
public struct ProcessorPeak: Sendable {
  public let f32: Double
  /// Of what bf16 weights are multiplied in: bf16, or int16, or f32.
  public let bf16: Double
  public let int8: Double

  public init(f32: Double, bf16: Double, int8: Double) {
    self.f32 = f32
    self.bf16 = bf16
    self.int8 = int8
  }

  public func of(_ arithmetic: Arithmetic) -> Double {
    switch arithmetic {
    case .f32: f32
    case .bf16: bf16
    case .int8: int8
    }
  }
}
