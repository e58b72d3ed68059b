/// What a conversion does with the numbers of a checkpoint.
public enum StoragePrecision: String, Hashable, Sendable, CaseIterable {
  /// Every tensor stays in the format it has; sums of taps become f32.
  case keep
  case f32
  case f16
  case bf16

  /// The format of a tensor that is of `native` type by nature.
  func type(of native: ScalarType) -> ScalarType {
    switch self {
    case .keep: native
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    }
  }
}
