import SanaEngine

/// What the arithmetic units of one processor core can do.
struct Peak {
  let floatingPoint: Double
  let int8: Double

  init(_ set: InstructionSet) {
    let kernels = set.kernels
    func best(_ kernel: (Int, UnsafeMutablePointer<Float>) -> Double) -> Double {
      (0..<5).map { _ in
        var operations = 0.0
        let seconds = ContinuousClock().measure {
          var numbers: [Float] = [1, 1]
          operations = kernel(10_000_000, &numbers)
        }.seconds
        return operations / seconds
      }.max() ?? 0
    }
    floatingPoint = best(kernels.peak_f32)
    int8 = best(kernels.peak_int8)
  }
}

extension Duration {
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
