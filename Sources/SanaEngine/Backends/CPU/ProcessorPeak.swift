internal import CKernels
public import SanaGraph
internal import Support

/// What the arithmetic units of the threads of a back end can do together, in operations (additions and multiplications) a second.
public struct ProcessorPeak: Sendable {
  public let f32: Double
  /// Of what bf16 weights are multiplied in: bf16, or int16, or f32.
  public let bf16: Double
  public let int8: Double

  public func of(_ arithmetic: Arithmetic) -> Double {
    switch arithmetic {
    case .f32: f32
    case .bf16: bf16
    case .int8: int8
    }
  }
}

extension CPUBackend {
  /// Measures the peak with loops that never leave the registers, on all threads at once: the best of some tries, about a tenth of a
  /// second.
  public func measurePeak() -> ProcessorPeak {
    let kernels = device.kernels
    return ProcessorPeak(
      f32: best(of: kernels.peak_f32), bf16: best(of: kernels.peak_bf16),
      int8: best(of: kernels.peak_int8))
  }

  private func best(of kernel: (Int, UnsafeMutablePointer<Float>) -> Double) -> Double {
    let threads = device.pool.size
    var best = 0.0
    for _ in 0..<8 {
      let counts = UnsafeMutablePointer<Double>.allocate(capacity: threads)
      defer { counts.deallocate() }
      counts.initialize(repeating: 0, count: threads)
      let time = ContinuousClock().measure {
        device.pool.forEach(threads) { index, _ in
          withUnsafeTemporaryAllocation(of: Float.self, capacity: 2) { factors in
            factors.initialize(repeating: 1)
            if let start = factors.baseAddress { counts[index] = kernel(1_000_000, start) }
          }
        }
      }
      let operations = UnsafeBufferPointer(start: counts, count: threads).reduce(0, +)
      best = max(best, operations / time.seconds)
    }
    return best
  }
}
