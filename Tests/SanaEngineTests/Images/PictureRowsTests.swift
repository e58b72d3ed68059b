import SanaGraph
import Support
import TestSupport
import Testing

@testable import SanaEngine

@Suite struct PictureRowsTests {
  private let drawn = Shape(batch: 1, height: 23, width: 17, channels: 3)

  private func values(seed: UInt64) -> [Float] {
    var random = SplitMix(seed: seed)
    return (0..<drawn.elementCount).map { _ in Float.random(in: -1.3...1.3, using: &random) }
  }

  /// The picture made of bands of so many rows.
  private func picture(
    _ values: [Float], height: Int, width: Int, bandHeight: Int
  ) throws -> [UInt8] {
    var rows = PictureRows(
      drawnHeight: drawn.height, drawnWidth: drawn.width, height: height, width: width)
    var pixels: [UInt8] = []
    for first in stride(from: 0, to: drawn.height, by: bandHeight) {
      let range = first..<min(first + bandHeight, drawn.height)
      try values[range.lowerBound * 3 * drawn.width..<range.upperBound * 3 * drawn.width]
        .withUnsafeBufferPointer {
          try rows.append(rows: range, $0) {
            #expect($0.count == 3 * width)
            pixels += $0
          }
        }
    }
    return pixels
  }

  @Test(arguments: [(23, 17), (40, 40), (7, 16), (1, 1)])
  func bandsOfAnyHeightMakeTheSamePicture(height: Int, width: Int) throws {
    let values = values(seed: 1)
    let whole = HostTensor(drawn, values).resizedAndCropped(height: height, width: width)
    let expected = try RGBImage(decoded: whole, element: 0).pixels
    for bandHeight in [1, 2, 5, 22, 23, 64] {
      let picture = try picture(values, height: height, width: width, bandHeight: bandHeight)
      #expect(picture == expected, "\(bandHeight)")
    }
  }

  @Test(arguments: [(23, 17), (40, 40)])
  func aNaNEndsThePictureAtItsRow(height: Int, width: Int) throws {
    var values = values(seed: 2)
    values[3 * drawn.width * 12 + 5] = .nan
    var rows = PictureRows(
      drawnHeight: drawn.height, drawnWidth: drawn.width, height: height, width: width)
    var count = 0
    let error = #expect(throws: SanaError.self) {
      try values.withUnsafeBufferPointer { values in
        try rows.append(rows: 0..<drawn.height, values) { _ in count += 1 }
      }
    }
    #expect(error?.code == .numericalFailure)
    #expect(0..<height ~= count)
    #expect(count > 0)
  }
}
