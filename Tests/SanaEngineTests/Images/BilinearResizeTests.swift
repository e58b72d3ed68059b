import SanaEngine
import SanaGraph
import TestSupport
import Testing
import Traces

@Suite struct BilinearResizeTests {
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
    #expect(tensor.resized(height: 1, width: 4).values == [0, 1, 3, 4])
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
}

extension Shape {
  fileprivate func with(height: Int, width: Int) -> Shape {
    Shape(batch: batch, height: height, width: width, channels: channels)
  }
}
