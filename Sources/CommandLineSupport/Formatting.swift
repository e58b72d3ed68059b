extension Double {
  /// The number with a fixed count of decimals; `inf` and `nan` by name.
  public func formatted(decimals: Int) -> String {
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let scaled = (magnitude * scale).rounded()
    guard scaled < 0x1p53 else { return description }
    let digits = String(Int(scaled))
    let padded = String(repeating: "0", count: max(decimals + 1 - digits.count, 0)) + digits
    let sign = self < 0 && scaled > 0 ? "-" : ""
    guard decimals > 0 else { return sign + padded }
    return "\(sign)\(padded.dropLast(decimals)).\(padded.suffix(decimals))"
  }
}

extension Duration {
  /// A time for people: `85 ms`, `3.42 s`, `2 min 05 s`.
  public var readable: String {
    let seconds = seconds
    if seconds < 0.9995 { return "\((seconds * 1000).formatted(decimals: 0)) ms" }
    if seconds < 99.95 { return "\(seconds.formatted(decimals: seconds < 9.995 ? 2 : 1)) s" }
    let whole = Int(seconds.rounded())
    let remainder = whole % 60
    return "\(whole / 60) min \(remainder < 10 ? "0" : "")\(remainder) s"
  }
}
