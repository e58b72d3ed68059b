import Testing

@testable import Calibration

@Suite struct RowSelectionTests {
  /// Whatever the pieces in which rows come.
  @Test(arguments: [[1000], [1, 999], [10, 490, 500], Array(repeating: 8, count: 125)])
  func oneRowOfEachPartIsTaken(pieces: [Int]) {
    var selection = RowSelection(total: 1000, wanted: 40)
    var taken: [Int] = []
    for piece in pieces {
      let before = selection.seen
      taken += selection.take(piece).map { before + $0 }
    }
    #expect(taken.map { $0 / 25 } == Array(0..<40))
    #expect(Set(taken.map { $0 % 25 }).count > 12, "always the same place: \(taken)")
    #expect(selection.seen == 1000)
    #expect(selection.taken == 40)
  }

  @Test func allRowsAreTakenWhereFewCome() {
    var selection = RowSelection(total: 5, wanted: 40)
    #expect(selection.take(3) == [0, 1, 2])
    #expect(selection.take(2) == [0, 1])
  }

  @Test func noRowIsTakenWhereNoneIsWanted() {
    var selection = RowSelection(total: 100, wanted: 0)
    #expect(selection.take(100).isEmpty)
    #expect(selection.seen == 100)
  }
}
