internal import SanaGraph

/// `numpy.linspace` in double precision: `count` numbers from `first` to `last`, both included, rounded as NumPy rounds them.
func evenlySpaced(from first: Double, through last: Double, count: Int) -> [Double] {
  guard count > 1 else { return [first] }
  let step = (last - first) / Double(count - 1)
  return (0..<count - 1).map { Double($0) * step + first } + [last]
}

/// The shift of a flow's noise levels towards more noise: `shift s / (1 + (shift - 1) s)` (SD3 paper, section 5.3.2).
func shiftedSigma(_ sigma: Double, by shift: Double) -> Double {
  shift * sigma / (1 + (shift - 1) * sigma)
}
