import SanaEngine
import SanaGraph
import Testing

@Suite struct ResolutionBinsTests {
  /// Wanted height and width, and what diffusers' `classify_height_width_bin` makes of them for 512, 1024, 2048 and 4096 pixels.
  private static let examples: [(height: Int, width: Int, bins: [(Int, Int)])] = [
    (1024, 1024, [(512, 512), (1024, 1024), (2048, 2048), (4096, 4096)]),
    (512, 768, [(416, 608), (832, 1216), (1664, 2432), (3328, 4864)]),
    (768, 512, [(608, 416), (1216, 832), (2432, 1664), (4864, 3328)]),
    (1080, 1920, [(384, 672), (768, 1344), (1536, 2688), (3072, 5376)]),
    (1920, 1080, [(672, 384), (1344, 768), (2688, 1536), (5376, 3072)]),
    (100, 3000, [(256, 1024), (512, 2048), (1024, 4096), (2048, 8192)]),
    (3000, 100, [(1024, 256), (2048, 512), (4096, 1024), (8192, 2048)]),
    (640, 639, [(512, 512), (1024, 1024), (2048, 2048), (4096, 4096)]),
    // Ratios that only the large tables have.
    (3620, 1000, [(1024, 256), (2048, 512), (3712, 1024), (7424, 2048)]),
    (1000, 3750, [(256, 928), (512, 1856), (1024, 3840), (2048, 7680)]),
  ]

  @Test func nearestBinsAreThoseOfDiffusers() throws {
    for example in Self.examples {
      for (sampleSize, expected) in zip([16, 32, 64, 128], example.bins) {
        let bin = try #require(
          ResolutionBins.nearest(
            height: example.height, width: example.width, sampleSize: sampleSize))
        #expect(bin == expected, "\(example) \(sampleSize)")
      }
    }
  }

  @Test func unknownSampleSizesHaveNoBins() {
    #expect(ResolutionBins.nearest(height: 1024, width: 1024, sampleSize: 24) == nil)
    #expect(ResolutionBins.nearest(height: 0, width: 1024, sampleSize: 32) == nil)
  }
}
