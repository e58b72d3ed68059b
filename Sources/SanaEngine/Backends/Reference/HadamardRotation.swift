/// The rotation of blocks of channels that spreads a few large ones over their block: by the
/// Hadamard matrix in Sylvester's order, divided by the square root of its size.
enum HadamardRotation {
  /// In stages that add and subtract numbers of the argument's type, then one multiplication.
  /// - Parameter block: a power of two; channels behind the last whole block stay as they are.
  static func apply<Number: BinaryFloatingPoint>(_ channels: [Number], block: Int) -> [Number] {
    guard block > 1 else { return channels }
    var result = channels
    let factor = 1 / Number(block).squareRoot()
    for start in stride(from: 0, through: channels.count - block, by: block) {
      var half = 1
      while half < block {
        for index in 0..<block where index & half == 0 {
          let (first, second) = (start + index, start + index + half)
          (result[first], result[second]) =
            (result[first] + result[second], result[first] - result[second])
        }
        half *= 2
      }
      for index in start..<start + block { result[index] *= factor }
    }
    return result
  }
}
