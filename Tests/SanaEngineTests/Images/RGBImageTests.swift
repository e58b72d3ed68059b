import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing
import Traces

@Suite struct RGBImageTests {
  @Test func floatsBecomeTheBytesOfDiffusers() throws {
    for trace in try ReferenceTraces.files("ops") {
      let values = try trace.floats("image_postprocess/x")
      let expected = try trace.uint8("image_postprocess/uint8")
      let shape = Shape(
        batch: 1, height: expected.shape[1], width: expected.shape[2], channels: 3)
      let image = try RGBImage(
        decoded: HostTensor(shape, channelsFirst: values.values), element: 0)
      #expect(image.pixels == expected.values)
    }
  }

  @Test func anElementOfABatchIsItsOwnPicture() throws {
    let shape = Shape(batch: 2, height: 1, width: 1, channels: 3)
    let tensor = HostTensor(shape, [-1, -1, -1, 1, 0, .infinity])
    #expect(try RGBImage(decoded: tensor, element: 1).pixels == [255, 128, 255])
    let nan = HostTensor(shape, [0, 0, 0, 0, .nan, 0])
    let error = #expect(throws: SanaError.self) { try RGBImage(decoded: nan, element: 1) }
    #expect(error?.code == .numericalFailure)
  }

  @Test func picturesGoBackToTheRangeOfTheEncoder() {
    let image = RGBImage(width: 1, height: 1, pixels: [0, 51, 255])
    #expect(image.encoderInput.values == [-1, 51 / 255 * 2 - 1, 1])
  }
}
