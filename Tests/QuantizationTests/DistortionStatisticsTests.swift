import Foundation
import Quantization
import Testing
import WeightFormats

@Suite struct DistortionStatisticsTests {
  private func measure(_ original: [Float], _ decoded: [Float]) -> DistortionStatistics {
    original.withUnsafeBufferPointer { x in
      decoded.withUnsafeBufferPointer { y in DistortionStatistics(original: x, decoded: y) }
    }
  }

  @Test func everyMeasureFollowsItsDefinition() {
    let original = QuantizationSamples.numbers(1003)
    let decoded = original.map { ($0 * 10).rounded() / 10 }
    let found = measure(original, decoded)
    var signal = 0.0
    var noise = 0.0
    var product = 0.0
    var energy = 0.0
    for (x, y) in zip(original, decoded) {
      signal += Double(x) * Double(x)
      noise += (Double(x) - Double(y)) * (Double(x) - Double(y))
      product += Double(x) * Double(y)
      energy += Double(y) * Double(y)
    }
    #expect(abs(found.signalToNoise - 10 * log10(signal / noise)) < 1e-9)
    #expect(abs(found.cosine - product / (signal * energy).squareRoot()) < 1e-12)
    #expect(found.largestError == zip(original, decoded).map { abs($0 - $1) }.max())
    let zeros = zip(original, decoded).count { $0 != 0 && $1 == 0 }
    #expect(found.roundedToZero == zeros)
    #expect(found.changed == zip(original, decoded).count { $0.bitPattern != $1.bitPattern })
    #expect(found.roundedToZeroShare == Double(zeros) / 1003)
    #expect(found.elementCount == 1003)
  }

  @Test func partsAddUpToTheWhole() {
    let original = QuantizationSamples.numbers(640)
    let decoded = original.map { ($0 * 4).rounded() / 4 }
    var sum = DistortionStatistics()
    for begin in stride(from: 0, to: 640, by: 160) {
      sum.add(
        measure(
          Array(original[begin..<begin + 160]), Array(decoded[begin..<begin + 160])))
    }
    let whole = measure(original, decoded)
    #expect(abs(sum.signalToNoise - whole.signalToNoise) < 1e-9)
    #expect(sum.largestError == whole.largestError)
    #expect(sum.roundedToZero == whole.roundedToZero)
  }

  @Test func nothingMovedIsExact() {
    let numbers = QuantizationSamples.numbers(17)
    let found = measure(numbers, numbers)
    #expect(found.signalToNoise == .infinity)
    #expect(found.cosine > 1 - 1e-12)
    #expect(found.largestError == 0)
    #expect(measure([0, 0], [0, 0]).cosine == 1)
    #expect(measure([], []).signalToNoise == .infinity)
  }
}
