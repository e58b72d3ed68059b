import SanaEngine

/// The back ends that must agree with PyTorch.
enum TestedBackend: String, CaseIterable, Sendable {
  case reference

  /// Computes in f32, as the traces were.
  func make() -> any Backend {
    switch self {
    case .reference: ReferenceBackend(precision: .f32)
    }
  }
}
