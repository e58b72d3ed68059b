internal import WeightFormats

extension HostTensor {
  /// Stops a run before it can draw a wrong picture.
  /// - Throws: `.numericalFailure` with the value's name when any number is infinite or NaN.
  func requireFinite(_ name: @autoclosure () -> String) throws(SanaError) {
    // One pass without branches: only an infinite or NaN factor makes a product with zero anything but zero.
    let residue = values.reduce(0) { $0 + $1 * 0 }
    guard !(residue == 0) else { return }
    let kind = values.contains { $0.isNaN } ? "NaN" : "infinite numbers"
    throw SanaError(
      .numericalFailure, "'\(name())' holds \(kind)",
      remedy:
        "try --precision f32 or a variant with more bits, and 'sana-convert check' on the model")
  }
}
