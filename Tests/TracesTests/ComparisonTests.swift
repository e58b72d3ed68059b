import Support
import Testing
import Traces

@Suite struct ComparisonTests {
  @Test func equalTensorsAreInfinitelyClose() throws {
    let comparison = try Comparison(reference: [Float(1), -2, 3], result: [1, -2, 3])
    #expect(comparison.signalToNoiseDecibels == .infinity)
    #expect(comparison.maximumAbsoluteError == 0)
    #expect(abs(comparison.cosine - 1) < 1e-15)
  }

  @Test func aKnownErrorHasItsKnownRatio() throws {
    // Signal 100, noise 1: 20 dB.
    let comparison = try Comparison(reference: [Float(6), 8], result: [6, 9])
    #expect(abs(comparison.signalToNoiseDecibels - 20) < 1e-12)
    #expect(comparison.maximumAbsoluteError == 1)
    #expect(abs(comparison.cosine - 108 / (10 * 117.0.squareRoot())) < 1e-12)
  }

  @Test func picturesAreComparedByTheirPeak() throws {
    let comparison = try Comparison(
      reference: [UInt8](repeating: 9, count: 4), result: [9, 9, 9, 8])
    #expect(abs(comparison.peakSignalToNoiseDecibels(peak: 255) - 54.1514) < 1e-4)
  }

  @Test(arguments: [Float.nan, .infinity])
  func aResultThatIsNotFiniteIsInfinitelyFar(value: Float) throws {
    let comparison = try Comparison(reference: [Float(1), 2], result: [1, value])
    #expect(comparison.signalToNoiseDecibels == -.infinity)
    #expect(comparison.maximumAbsoluteError == .infinity)
    #expect(comparison.cosine == 0)
  }

  @Test func partsAddUpToTheWhole() throws {
    var parts = Comparison()
    try parts.add(reference: [1, 2], result: [1, 2.5])
    try parts.add(reference: [3], result: [2])
    #expect(parts == (try Comparison(reference: [Float(1), 2, 3], result: [1, 2.5, 2])))
  }

  @Test func differentCountsAreAnError() {
    #expect(throws: SanaError.self) { try Comparison(reference: [Float(1)], result: [1, 2]) }
  }
}
