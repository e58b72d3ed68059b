/// What a back end computes products in (`--precision`).
public enum ComputePrecision: String, Hashable, Sendable, CaseIterable {
  /// As the stored weight says: a weight made for `ActivationEncoding.int8PerToken` is multiplied int8 by int8, every other
  /// one in floating point.
  case auto
  /// Everything in floating point, whatever the weight was made for.
  case f32
}
