internal import SanaGraph

/// The sizes that Sana was trained at, and the choice of one of them for a size that the user wants.
///
/// Source of the table: Hugging Face diffusers, `ASPECT_RATIO_512_BIN`, `ASPECT_RATIO_1024_BIN` (pipelines/pixart_alpha/pipeline_pixart_alpha.py),
/// `ASPECT_RATIO_2048_BIN` (pipeline_pixart_sigma.py) and `ASPECT_RATIO_4096_BIN` (pipelines/sana/pipeline_sana.py). All four are multiples of one
/// table; the two large ones have some ratios more.
public enum ResolutionBins {
  /// Whether there is a table for models of this sample size.
  public static func exist(sampleSize: Int) -> Bool { [16, 32, 64, 128].contains(sampleSize) }

  /// The trained size nearest in shape to the wanted one: the bin whose nominal ratio is nearest to height / width, the first
  /// of several (`classify_height_width_bin`).
  ///
  /// - Parameters:
  ///   - height: wanted height in pixels, positive.
  ///   - width: wanted width in pixels, positive.
  ///   - sampleSize: `sample_size` of the transformer's configuration: 16, 32, 64 or 128.
  /// - Returns: `nil` for another sample size, which has no table.
  public static func nearest(
    height: Int, width: Int, sampleSize: Int
  ) -> (height: Int, width: Int)? {
    guard exist(sampleSize: sampleSize), height > 0, width > 0 else { return nil }
    let ratio = Double(height) / Double(width)
    let candidates = table.filter { sampleSize >= 64 || !$0.isLargeOnly }
    // `min(by:)` keeps the first of equals, as Python's `min` does.
    let bin = candidates.min { abs($0.ratio - ratio) < abs($1.ratio - ratio) }
    return bin.map { ($0.height * sampleSize, $0.width * sampleSize) }
  }

  private struct ResolutionBin {
    /// The nominal ratio, which is rounded, and for some bins differs from height / width.
    let ratio: Double
    /// In pixels for a sample size of 1.
    let height: Int
    let width: Int
    /// Not in the tables for 512 and 1024 pixels.
    let isLargeOnly: Bool

    init(_ ratio: Double, _ height: Int, _ width: Int, isLargeOnly: Bool = false) {
      self.ratio = ratio
      self.height = height
      self.width = width
      self.isLargeOnly = isLargeOnly
    }
  }

  private static let table: [ResolutionBin] = [
    ResolutionBin(0.25, 16, 64),
    ResolutionBin(0.26, 16, 62, isLargeOnly: true),
    ResolutionBin(0.27, 16, 60, isLargeOnly: true),
    ResolutionBin(0.28, 16, 58),
    ResolutionBin(0.32, 18, 56),
    ResolutionBin(0.33, 18, 54),
    ResolutionBin(0.35, 18, 52),
    ResolutionBin(0.4, 20, 50),
    ResolutionBin(0.42, 20, 48),
    ResolutionBin(0.48, 22, 46),
    ResolutionBin(0.5, 22, 44),
    ResolutionBin(0.52, 22, 42),
    ResolutionBin(0.57, 24, 42),
    ResolutionBin(0.6, 24, 40),
    ResolutionBin(0.68, 26, 38),
    ResolutionBin(0.72, 26, 36),
    ResolutionBin(0.78, 28, 36),
    ResolutionBin(0.82, 28, 34),
    ResolutionBin(0.88, 30, 34),
    ResolutionBin(0.94, 30, 32),
    ResolutionBin(1.0, 32, 32),
    ResolutionBin(1.07, 32, 30),
    ResolutionBin(1.13, 34, 30),
    ResolutionBin(1.21, 34, 28),
    ResolutionBin(1.29, 36, 28),
    ResolutionBin(1.38, 36, 26),
    ResolutionBin(1.46, 38, 26),
    ResolutionBin(1.67, 40, 24),
    ResolutionBin(1.75, 42, 24),
    ResolutionBin(2.0, 44, 22),
    ResolutionBin(2.09, 46, 22),
    ResolutionBin(2.4, 48, 20),
    ResolutionBin(2.5, 50, 20),
    ResolutionBin(2.89, 52, 18, isLargeOnly: true),
    ResolutionBin(3.0, 54, 18),
    ResolutionBin(3.11, 56, 18, isLargeOnly: true),
    ResolutionBin(3.62, 58, 16, isLargeOnly: true),
    ResolutionBin(3.75, 60, 16, isLargeOnly: true),
    ResolutionBin(3.88, 62, 16, isLargeOnly: true),
    ResolutionBin(4.0, 64, 16),
  ]
}
