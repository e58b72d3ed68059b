internal import CKernels
internal import SanaGraph
internal import Support
internal import WeightFormats

/// The `ChannelBalance` of an int8 weight in memory.
struct ChannelFactors {
  let floats: UnsafeMutablePointer<Float>

  /// Kernels read whole vectors.
  private static func count(channels: Int) -> Int { channels + 16 }

  static func byteCount(channels: Int) -> Int {
    count(channels: channels) * MemoryLayout<Float>.size
  }

  /// - Parameters:
  ///   - matrix: `[rows, taps, channels]`
  ///   - start: of `byteCount(channels:)` bytes.
  ///   - scratch: a worker's area with room for a number of each channel.
  init(
    _ matrix: sana_matrix, channels: Int, at start: UnsafeMutableRawPointer,
    kernels: sana_kernels, _ loops: any LoopRunner,
    scratch: (_ worker: Int) -> UnsafeMutableRawPointer
  ) {
    floats = start.bindMemory(to: Float.self, capacity: Self.count(channels: channels))
    floats.initialize(repeating: 1, count: Self.count(channels: channels))

    let workers = loops.workers
    let length = 64
    let magnitudes = withUnsafeTemporaryAllocation(of: Float.self, capacity: workers * channels) {
      maxima in
      maxima.initialize(repeating: 0)
      withUnsafePointer(to: matrix) { matrix in
        guard let start = maxima.baseAddress else { return }
        let rows = matrix.pointee.rows
        loops.forEach((rows + length - 1) / length) { index, worker in
          kernels.channel_magnitudes(
            matrix, channels, index * length, min((index + 1) * length, rows),
            start + worker * channels, scratch(worker))
        }
      }
      return (0..<channels).map { channel in
        (0..<workers).reduce(0) { max($0, maxima[$1 * channels + channel]) }
      }
    }
    for (channel, factor) in ChannelBalance.factors(magnitudes).enumerated() {
      floats[channel] = factor
    }
  }
}
