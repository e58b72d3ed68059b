import SanaEngine
import Support
import Testing
import Verification

/// Pictures made by formulas, and what others' programs say of them: FLIP by the package
/// flip-evaluator 1.7, SSIM and PSNR by scikit-image 0.26 (of luma in float64,
/// `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`).
@Suite struct PictureDistanceTests {
  typealias Formula = (_ x: Int, _ y: Int) -> [Int]

  static func picture(_ width: Int, _ height: Int, _ formula: Formula) -> RGBImage {
    RGBImage(
      width: width, height: height,
      pixels: (0..<width * height).flatMap { pixel in
        formula(pixel % width, pixel / width).map { UInt8($0 & 255) }
      })
  }

  static func smooth(_ x: Int, _ y: Int) -> [Int] { [3 * x + y, max(255 - 2 * y - x, 0), 2 * x] }

  static func noisy(_ x: Int, _ y: Int) -> [Int] {
    smooth(x, y).enumerated().map { channel, level in
      let noise = (x * 7919 + y * 104_729 + channel * 1_299_709) % 23 - 11
      return min(max((level & 255) + noise, 0), 255)
    }
  }

  static func blocks(_ x: Int, _ y: Int) -> [Int] {
    [[220, 30, 40], [20, 90, 200], [240, 220, 60], [30, 160, 70]][(x / 8 + 2 * (y / 8)) % 4]
  }

  static func shifted(_ x: Int, _ y: Int) -> [Int] { blocks(x + 2, y + 1) }
  static func dark(_ x: Int, _ y: Int) -> [Int] { blocks(x, y).map { $0 * 9 / 10 } }
  static func withLine(_ x: Int, _ y: Int) -> [Int] {
    x == 20 || (x, y) == (40, 10) ? [255, 255, 255] : blocks(x, y)
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let pictures: @Sendable () -> (RGBImage, RGBImage)
    let flip: Double
    let similarity: Double?
    let peakRatio: Double

    var testDescription: String { name }
  }

  static let cases = [
    Case(
      name: "noise", pictures: { (picture(80, 48, smooth), picture(80, 48, noisy)) },
      flip: 0.03980650, similarity: 0.67934701, peakRatio: 31.7568619277),
    Case(
      name: "shift", pictures: { (picture(64, 40, blocks), picture(64, 40, shifted)) },
      flip: 0.59420073, similarity: 0.30692153, peakRatio: 10.1734513248),
    Case(
      name: "darker", pictures: { (picture(64, 40, blocks), picture(64, 40, dark)) },
      flip: 0.37486830, similarity: 0.98945530, peakRatio: 25.1132714358),
    Case(
      name: "line", pictures: { (picture(64, 40, blocks), picture(64, 40, withLine)) },
      flip: 0.06337570, similarity: 0.93898743, peakRatio: 22.8172204248),
    Case(
      name: "unrelated", pictures: { (picture(37, 29, smooth), picture(37, 29, blocks)) },
      flip: 0.95930010, similarity: 0.12510022, peakRatio: 7.1438416612),
    Case(
      name: "narrow", pictures: { (picture(96, 7, smooth), picture(96, 7, dark)) },
      flip: 0.91559356, similarity: nil, peakRatio: 7.4687294404),
  ]

  @Test(arguments: cases) func distancesAreThoseOfOtherPrograms(_ example: Case) throws {
    let (reference, result) = example.pictures()
    let distance = try PictureDistance(reference: reference, result: result)
    #expect(abs(distance.flip - example.flip) < 2e-5, "\(distance.flip)")
    if let similarity = example.similarity {
      #expect(
        abs(distance.structuralSimilarity - similarity) < 1e-4,
        "\(distance.structuralSimilarity)")
    }
    #expect(abs(distance.peakSignalToNoiseDecibels - example.peakRatio) < 1e-6)
  }

  @Test func equalPicturesHaveNoDistance() throws {
    let picture = Self.picture(40, 30, Self.smooth)
    let distance = try PictureDistance(reference: picture, result: picture)
    #expect(distance.flip == 0)
    #expect(distance.structuralSimilarity == 1)
    #expect(distance.peakSignalToNoiseDecibels == .infinity)
    #expect(distance.maximumError == 0)
  }

  @Test func theMapHasTheLargestErrorWhereThePicturesDiffer() {
    let map = FLIP.map(
      Self.picture(64, 40, Self.blocks), Self.picture(64, 40, Self.withLine))
    #expect(map.count == 64 * 40)
    #expect(map.allSatisfy { 0...1 ~= $0 })
    let largest = map.indices.max { map[$0] < map[$1] } ?? 0
    #expect(largest % 64 == 20)
    #expect(map[20 * 64 + 60] < 0.01)
  }

  @Test func picturesOfOtherSizesAreRefused() {
    #expect(throws: SanaError.self) {
      try PictureDistance(
        reference: Self.picture(16, 8, Self.smooth), result: Self.picture(8, 16, Self.smooth))
    }
  }
}
