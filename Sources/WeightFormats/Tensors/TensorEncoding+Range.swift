extension TensorEncoding {
  /// The least magnitude that a floating-point encoding rounds to infinity.
  package var overflowThreshold: Float {
    switch self {
    case .f16: 65520
    case .bf16: 0x1.FFp127
    case .f32, .int8PerChannel, .int8Grouped, .int4Grouped, .plain: .infinity
    }
  }
}
