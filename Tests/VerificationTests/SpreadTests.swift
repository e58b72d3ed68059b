import Testing
import Verification

@Suite struct SpreadTests {
  /// `scipy.stats.t.interval(0.95, n - 1, mean, sem)`.
  @Test(arguments: [
    ([40.0, 42], 41.0, 12.7062),
    ([1, 2, 3, 4, 5], 3, 1.96324),
    (Array(stride(from: 0.0, to: 20, by: 1)), 9.5, 2.76881),
  ])
  func theIntervalIsStudents(numbers: [Double], mean: Double, half: Double) throws {
    let spread = Spread(numbers)
    let interval = try #require(spread.interval)
    #expect(abs(try #require(spread.mean) - mean) < 1e-9)
    #expect(abs(interval.upperBound - mean - half) < 1e-3, "\(interval)")
    #expect(abs(mean - interval.lowerBound - half) < 1e-3)
  }

  @Test func equalPicturesArePartOfNoMean() {
    let spread = Spread([.infinity, 30, 50])
    #expect(spread.mean == 40)
    #expect(spread.worst == 30)
    #expect(spread.count == 3 && spread.equalCount == 1)
    let equal = Spread([.infinity])
    #expect(equal.mean == nil && equal.worst == nil && equal.interval == nil)
    #expect(Spread([0.1, 0.3], worse: .higher).worst == 0.3)
    #expect(Spread([7]).interval == nil)
    #expect(Spread([]).mean == nil)
  }

  @Test func whatIsBrokenIsTheWorst() {
    let spread = Spread([30, -.infinity])
    #expect(spread.worst == -.infinity)
    #expect(spread.interval == nil)
  }
}
