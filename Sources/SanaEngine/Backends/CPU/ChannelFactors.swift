/// The factors of a weight's input in memory.
enum ChannelFactors {
  /// Kernels read whole vectors.
  private static func count(channels: Int) -> Int { channels > 0 ? channels + 16 : 0 }

  static func byteCount(channels: Int) -> Int {
    count(channels: channels) * MemoryLayout<Float>.size
  }

  /// - Parameters:
  ///   - factors: nil for ones.
  ///   - start: of `byteCount(channels:)` bytes.
  static func place(
    _ factors: [Float]?, channels: Int, at start: UnsafeMutableRawPointer
  ) -> UnsafePointer<Float> {
    let floats = start.bindMemory(to: Float.self, capacity: count(channels: channels))
    floats.initialize(repeating: 1, count: count(channels: channels))
    for (channel, factor) in (factors ?? []).enumerated() { floats[channel] = factor }
    return UnsafePointer(floats)
  }
}
