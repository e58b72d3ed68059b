/// Powers of two that an int8 convolution multiplies the channels of its patches by, and divides
/// those of its kernels by, so that a few channels with large weights do not take the range of all
/// the others.
///
/// Weights of an output channel share a scale, and so do the channels of a patch. A channel whose
/// greatest weight is `r` times the median channel's leaves the others `1 / r` of the codes;
/// multiplying its activations by about the square root of `r` divides the loss between the two.
/// Exact, because a power of two changes no digit. Channels with less than four times the median's
/// weights stay as they are.
package enum ChannelBalance {
  /// The factor of the activations of every channel, at least one.
  /// - Parameter magnitudes: the greatest magnitude of each channel's weights.
  package static func factors(_ magnitudes: [Float]) -> [Float] {
    let sorted = magnitudes.map { $0.isNaN ? .infinity : $0 }.sorted()
    guard let last = sorted.indices.last else { return [] }
    let median = sorted[last / 2]
    return magnitudes.map { magnitude in
      var ratio = magnitude / median
      guard ratio >= 4, ratio.isFinite else { return 1 }
      var factor: Float = 1
      while ratio >= 2 {
        ratio /= 4
        factor *= 2
      }
      return factor
    }
  }
}
