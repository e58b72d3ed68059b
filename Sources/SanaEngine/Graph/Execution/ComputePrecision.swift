/// What a back end computes products in (`--precision`).
public enum ComputePrecision: String, Hashable, Sendable, CaseIterable {
  /// As the stored weight says: a weight made for `ActivationEncoding.int8PerToken` is multiplied
  /// int8 by int8; one in bf16 may have its activations rounded to bf16, where the processor
  /// multiplies such numbers faster; every other one is in f32.
  case auto
  /// Everything in f32, whatever the weight was made for.
  case f32
}
