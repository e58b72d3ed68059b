internal import CKernels
public import SanaGraph
internal import Support

extension CPUBackend {
  /// Measures the peak with loops that never leave the registers, on all threads at once: the best
  /// of some tries, about a tenth of a second.
  public func measurePeak() -> ProcessorPeak? {
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
