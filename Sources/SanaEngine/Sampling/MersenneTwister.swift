internal import SanaGraph

/// The 32-bit Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), seeded as PyTorch seeds it.
struct MersenneTwister: Sendable {
  private static let size = 624
  private static let offset = 397

  private var state: [UInt32]
  private var position: Int

  init(seed: UInt32) {
    state = [seed]
    state.reserveCapacity(Self.size)
    for index in 1..<Self.size {
      let previous = state[index - 1]
      state.append(1_812_433_253 &* (previous ^ (previous >> 30)) &+ UInt32(index))
    }
    position = Self.size
  }

  mutating func next() -> UInt32 {
    if position == Self.size { regenerate() }
    var value = state[position]
    position += 1
    value ^= value >> 11
    value ^= (value << 7) & 0x9d2c_5680
    value ^= (value << 15) & 0xefc6_0000
    return value ^ (value >> 18)
  }

  private mutating func regenerate() {
    for index in 0..<Self.size {
      let mixed =
        (state[index] & 0x8000_0000) | (state[(index + 1) % Self.size] & 0x7fff_ffff)
      let twisted = (mixed >> 1) ^ (mixed & 1 == 0 ? 0 : 0x9908_b0df)
      state[index] = state[(index + Self.offset) % Self.size] ^ twisted
    }
    position = 0
  }
}
