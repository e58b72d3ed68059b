import SanaEngine
import SanaGraph

/// A picture to paint on, white at first.
struct Canvas {
  struct Ink: Sendable {
    let red: UInt8
    let green: UInt8
    let blue: UInt8

    static let dark = Ink(red: 32, green: 33, blue: 36)
    static let gray = Ink(red: 118, green: 122, blue: 128)
    static let rule = Ink(red: 222, green: 224, blue: 228)
    static let alarm = Ink(red: 200, green: 40, blue: 40)
  }

  let width: Int
  let height: Int
  private var pixels: [UInt8]
  private let font = BitmapFont()

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
    pixels = [UInt8](repeating: 255, count: 3 * width * height)
  }

  var image: RGBImage { RGBImage(width: width, height: height, pixels: pixels) }

  /// Fills a rectangle; what lies outside of the canvas is cut off.
  mutating func fill(x: Int, y: Int, width: Int, height: Int, _ ink: Ink) {
    for row in max(y, 0)..<max(min(y + height, self.height), 0, y) where row < self.height {
      for column in max(x, 0)..<max(min(x + width, self.width), 0, x) where column < self.width {
        let index = 3 * (row * self.width + column)
        pixels[index] = ink.red
        pixels[index + 1] = ink.green
        pixels[index + 2] = ink.blue
      }
    }
  }

  /// Writes one line of text.
  /// - Parameter scale: pixels of the canvas for one of the font.
  mutating func write(_ text: String, x: Int, y: Int, scale: Int = 2, _ ink: Ink = .dark) {
    var left = x
    for character in text {
      for (row, line) in (font[character]?.rows ?? []).enumerated() {
        for (column, isSet) in line.enumerated() where isSet {
          fill(
            x: left + column * scale, y: y + row * scale, width: scale, height: scale, ink)
        }
      }
      left += font.advance(character) * scale
    }
  }

  /// Paints a picture scaled down to a square of `side` pixels, each the mean of those it covers.
  mutating func paint(_ picture: RGBImage, x: Int, y: Int, side: Int) {
    func covered(_ pixel: Int, of size: Int) -> Range<Int> {
      let start = pixel * size / side
      return start..<max((pixel + 1) * size / side, start + 1)
    }
    for row in 0..<side {
      for column in 0..<side {
        var sums = SIMD3<Int>()
        var count = 0
        for sourceRow in covered(row, of: picture.height) {
          for sourceColumn in covered(column, of: picture.width) {
            let index = 3 * (sourceRow * picture.width + sourceColumn)
            sums &+= SIMD3(
              Int(picture.pixels[index]), Int(picture.pixels[index + 1]),
              Int(picture.pixels[index + 2]))
            count += 1
          }
        }
        let mean = (sums &+ SIMD3(repeating: count / 2)) / SIMD3(repeating: count)
        fill(
          x: x + column, y: y + row, width: 1, height: 1,
          Ink(red: UInt8(mean.x), green: UInt8(mean.y), blue: UInt8(mean.z)))
      }
    }
  }
}
