/// Takes rows evenly from a known number that come one after the other: one of each of equal parts,
/// at a place in the part that varies, so that no pattern of the rows' order is hit again and
/// again.
struct RowSelection {
  /// Rows that will come.
  let total: Int
  /// Rows that are taken when all have come.
  let wanted: Int
  /// Rows that have come.
  private(set) var seen = 0
  /// Rows taken of those.
  private(set) var taken = 0

  init(total: Int, wanted: Int) {
    self.total = total
    self.wanted = min(wanted, total)
  }

  /// - Parameter count: of rows that come.
  /// - Returns: which of them are taken, in order.
  mutating func take(_ count: Int) -> [Int] {
    var places: [Int] = []
    while taken < wanted {
      let place = place(inPart: taken)
      guard place < seen + count else { break }
      places.append(place - seen)
      taken += 1
    }
    seen += count
    return places
  }

  private func place(inPart part: Int) -> Int {
    let start = part * total / wanted
    let length = (part + 1) * total / wanted - start
    return start + Int(Self.mixed(UInt64(part)) % UInt64(length))
  }

  /// A number that looks random for each number: the output function of SplitMix64 (Steele, Lea,
  /// Flood: "Fast splittable pseudorandom number generators", 2014).
  private static func mixed(_ number: UInt64) -> UInt64 {
    var value = (number &+ 1) &* 0x9E37_79B9_7F4A_7C15
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}
