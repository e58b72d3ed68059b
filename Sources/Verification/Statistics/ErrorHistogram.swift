/// How many errors there are of each size, in steps of a sixteenth of a power of two: percentiles
/// of any number of errors in little memory.
struct ErrorHistogram: Hashable, Sendable {
  /// Bits of a float32's mantissa that are not told apart.
  private static let droppedBits: UInt32 = 19

  /// By the leading bits of the error's magnitude.
  private var counts = [Int](repeating: 0, count: Int(UInt32(1) << (31 - Self.droppedBits)))
  private var count = 0

  mutating func add(_ reference: [Float], _ result: [Float]) {
    for (reference, result) in zip(reference, result) {
      counts[Int(abs(reference - result).bitPattern >> Self.droppedBits)] += 1
    }
    count += min(reference.count, result.count)
  }

  /// The least error that at most a share of the errors exceed, rounded up to a step; 0 of no
  /// errors.
  /// - Parameter share: 0.99 for what one in a hundred exceeds.
  func quantile(_ share: Double) -> Double {
    let wanted = Int((Double(count) * share).rounded(.up))
    var seen = 0
    for (index, number) in counts.enumerated() {
      seen += number
      guard seen < wanted else {
        // A zero is no error, whatever its step holds beside it.
        return index == 0 ? 0 : Double(Float(bitPattern: UInt32(index + 1) << Self.droppedBits))
      }
    }
    return 0
  }
}
