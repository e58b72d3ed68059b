import CPUBackend
import ReferenceBackend
import SanaEngine
import SanaGraph

/// The back ends that must agree with PyTorch.
enum TestedBackend: String, CaseIterable, Sendable {
  case reference
  case cpu

  /// Computes in f32, as the traces were.
  func make() throws -> any Backend {
    switch self {
    case .reference: ReferenceBackend(precision: .f32)
    case .cpu: try CPUBackend(precision: .f32)
    }
  }
}
