internal import Foundation
internal import SanaEngine

/// Pictures within a page.
enum PictureData {
  /// Pixels of the longer side; larger pictures are shrunk.
  private static let longestSide = 512

  /// The address of a picture that the page holds itself.
  /// - Throws: what compressing it throws.
  static func address(_ image: RGBImage) throws -> String {
    var bytes = Data()
    try PNGFile.write(shrunk(image)) { bytes.append(contentsOf: $0) }
    return "data:image/png;base64,\(bytes.base64EncodedString())"
  }

  /// How two pictures differ, level by level, `factor` times as much as they do.
  static func difference(_ first: RGBImage, _ second: RGBImage, factor: Int) -> RGBImage {
    RGBImage(
      width: first.width, height: first.height,
      pixels: zip(first.pixels, second.pixels).map { a, b in
        UInt8(min(abs(Int(a) - Int(b)) * factor, 255))
      })
  }

  /// A factor that makes the differences of a picture with this PSNR visible: a power of two.
  static func factor(forPeakRatio decibels: Double) -> Int {
    guard decibels.isFinite else { return 64 }
    let typical = 255 / pow(10, decibels / 20)
    var factor = 1
    while factor < 64, Double(2 * factor) * 4 * typical <= 255 { factor *= 2 }
    return factor
  }

  /// Means of squares of pixels.
  private static func shrunk(_ image: RGBImage) -> RGBImage {
    let side = (max(image.width, image.height) + longestSide - 1) / longestSide
    let (width, height) = (image.width / max(side, 1), image.height / max(side, 1))
    guard side > 1, width > 0, height > 0 else { return image }
    var pixels = [UInt8](repeating: 0, count: 3 * width * height)
    for y in 0..<height {
      for x in 0..<width {
        for channel in 0..<3 {
          var sum = 0
          for row in y * side..<(y + 1) * side {
            for column in x * side..<(x + 1) * side {
              sum += Int(image.pixels[3 * (row * image.width + column) + channel])
            }
          }
          pixels[3 * (y * width + x) + channel] = UInt8(sum / (side * side))
        }
      }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }
}
