import SanaGraph
import TestSupport
import Testing
import Traces

@testable import SanaEngine

@Suite struct RowResizeTests {
  /// Every fourth pixel of the picture resized and cropped to 300 x 200 by diffusers.
  @Test(arguments: ["sana-tiny", "sana15-tiny", "sprint-tiny"])
  func resizingBackGivesTheNumbersOfDiffusers(name: String) throws {
    for trace in try ReferenceTraces.files(name) {
      for path in try ReferenceTraces.cases(of: trace) {
        guard trace.contains("\(path)/decode/image_resized_300x200") else { continue }
        let image = try trace.floats("\(path)/decode/image_float")
        let expected = try trace.floats("\(path)/decode/image_resized_300x200")
        let tensor = HostTensor(
          Shape(
            batch: image.shape[0], height: image.shape[2], width: image.shape[3], channels: 3),
          channelsFirst: image.values)
        let resized = tensor.resizedAndCropped(height: 300, width: 200)
        #expect(resized.shape == tensor.shape.with(height: 300, width: 200))
        let planes = resized.channelsFirstValues
        let result = (0..<planes.count).filter {
          ($0 % 200).isMultiple(of: 4) && ($0 / 200 % 300).isMultiple(of: 4)
        }.map { planes[$0] }
        let comparison = try Comparison(reference: expected.values, result: result)
        #expect(comparison.signalToNoiseDecibels >= 110, "\(path)")
      }
    }
  }

  @Test func theSameSizeChangesNothing() {
    let tensor = HostTensor(Shape(batch: 1, height: 2, width: 2, channels: 1), [1, 2, 3, 4])
    #expect(tensor.resizedAndCropped(height: 2, width: 2).values == [1, 2, 3, 4])
  }

  @Test func doublingMixesNeighbours() {
    let tensor = HostTensor(Shape(batch: 1, height: 1, width: 2, channels: 1), [0, 4])
    #expect(tensor.resizedAndCropped(height: 2, width: 4).values == [0, 1, 3, 4, 0, 1, 3, 4])
  }

  @Test(arguments: [(1, 1), (31, 977), (1000, 3), (49, 49), (333, 334)])
  func anySizeIsReachedExactly(height: Int, width: Int) {
    let tensor = HostTensor(
      Shape(batch: 1, height: 96, width: 64, channels: 1),
      [Float](repeating: 1, count: 96 * 64))
    let resized = tensor.resizedAndCropped(height: height, width: width)
    #expect(resized.shape == Shape(batch: 1, height: height, width: width, channels: 1))
    #expect(resized.values.allSatisfy { abs($0 - 1) < 1e-6 })
  }

  /// Whatever the sizes, and however the source is cut.
  @Test(arguments: 0..<60)
  func bandsOfRowsGiveTheRowsOfTheWholeImage(seed: UInt64) {
    var random = SplitMix(seed: seed)
    func side() -> Int { Int.random(in: 1...40, using: &random) }
    let source = Shape(batch: 1, height: side(), width: side(), channels: 1 + Int(seed % 3))
    let (height, width) = (side(), side())
    let values = (0..<source.elementCount).map { _ in Float.random(in: -2...2, using: &random) }
    let whole = HostTensor(source, values).resizedAndCropped(height: height, width: width).values

    var resize = RowResize(
      fromHeight: source.height, fromWidth: source.width, toHeight: height, toWidth: width,
      channels: source.channels)
    let rowLength = source.width * source.channels
    var rows: [[Float]] = []
    var next = 0
    while next < source.height {
      let range = next..<min(next + Int.random(in: 0...5, using: &random), source.height)
      next = range.upperBound
      values[range.lowerBound * rowLength..<range.upperBound * rowLength]
        .withUnsafeBufferPointer { resize.append(rows: range, $0) { rows.append(Array($0)) } }
    }
    #expect(rows.count == height)
    #expect(rows.allSatisfy { $0.count == width * source.channels })
    #expect(Array(rows.joined()) == whole)
  }

  /// Of 4 rows to 8: the first result lies on the first row, those at the end on the last.
  @Test func aRowIsHandedOverAsSoonAsItCanBe() {
    func counts(from: Int, to: Int) -> [Int] {
      var resize = RowResize(
        fromHeight: from, fromWidth: 2, toHeight: to, toWidth: 2 * to / from, channels: 1)
      var count = 0
      return (0..<from).map { row in
        [Float](repeating: 0, count: 2).withUnsafeBufferPointer {
          resize.append(rows: row..<row + 1, $0) { _ in count += 1 }
        }
        return count
      }
    }
    #expect(counts(from: 4, to: 4) == [1, 2, 3, 4])
    // Results lie at -0.25, 0.25, 0.75, 1.25, ... of the source; the first is moved to 0, whose
    // second row is 1.
    #expect(counts(from: 4, to: 8) == [0, 3, 5, 8])
    // At 0.5, 2.5.
    #expect(counts(from: 4, to: 2) == [0, 1, 1, 2])
  }
}

extension Shape {
  fileprivate func with(height: Int, width: Int) -> Shape {
    Shape(batch: batch, height: height, width: width, channels: channels)
  }
}
