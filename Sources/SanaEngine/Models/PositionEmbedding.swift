package import SanaGraph

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The sine-cosine position embedding that the 2K and 4K models add to the embedded patches (`get_2d_sincos_pos_embed` of
/// diffusers). It is not stored in checkpoints.
///
/// The first half of the channels encodes the column, the second half the row, each as sines, then cosines.
package struct PositionEmbedding: Sendable {
  /// A multiple of 4.
  package let channels: Int
  /// Side of the training latents: any image is stretched over this many units.
  package let base: Int
  package let interpolationScale: Double

  package init(channels: Int, base: Int, interpolationScale: Double) {
    self.channels = channels
    self.base = base
    self.interpolationScale = interpolationScale
  }

  /// `[1, height x width, channels]`
  package func tensor(height: Int, width: Int) -> HostTensor {
    let rows = (0..<height).map { sinusoids($0, of: height) }
    let columns = (0..<width).map { sinusoids($0, of: width) }
    return HostTensor(
      Shape(batch: 1, height: height, width: width, channels: channels),
      rows.flatMap { row in columns.flatMap { $0 + row } })
  }

  /// Coordinates are f32 numbers, frequencies and angles f64 ones, as in diffusers.
  private func sinusoids(_ index: Int, of count: Int) -> [Float] {
    let position =
      Float(index) / Float(Double(count) / Double(base)) / Float(interpolationScale)
    let frequencies = channels / 4
    let angles = (0..<frequencies).map {
      Double(position) / pow(10000, Double($0) / Double(frequencies))
    }
    return angles.map { Float(sin($0)) } + angles.map { Float(cos($0)) }
  }
}
