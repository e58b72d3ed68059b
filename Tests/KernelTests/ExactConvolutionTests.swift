import TestSupport
import CPUBackend
import ReferenceBackend
import SanaEngine
import SanaGraph
import Testing

/// Convolutions of small integers, exact in f32 however they are computed; chosen so that the scales of int8 codes are powers of
/// two and every code stands for its number exactly.
///
/// Some channels see to that: after the transform of a patch or a kernel, the largest magnitude of each point is 127 times a power of two.
/// The other channels are random.
@Suite struct ExactConvolutionTests {
  struct ConvolutionCase: Sendable, CustomTestStringConvertible {
    let transform: Transform
    let shape: Shape
    let outputs: Int

    enum Transform { case winograd, upsampling }

    var testDescription: String { "\(transform), \(shape) to \(outputs)" }
  }

  static let all: [ConvolutionCase] = {
    var random = SplitMix(seed: 31)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    let channels = 5...40
    return [
      ConvolutionCase(
        transform: .winograd, shape: Shape(batch: 1, height: 2, width: 2, channels: 5), outputs: 1),
      // Enough channels for Winograd in f32.
      ConvolutionCase(
        transform: .winograd, shape: Shape(batch: 2, height: 9, width: 13, channels: 64),
        outputs: 40),
      ConvolutionCase(
        transform: .upsampling, shape: Shape(batch: 1, height: 1, width: 1, channels: 5), outputs: 1
      ),
    ]
      + (0..<8).map { index in
        ConvolutionCase(
          transform: index % 2 == 0 ? .winograd : .upsampling,
          shape: Shape(
            batch: pick(1...2), height: pick(1...11), width: pick(1...15), channels: pick(channels)),
          outputs: pick(1...70))
      }
  }()

  /// Signs in one dimension under which every point of every patch has the same magnitude, in one of the two signals or in both:
  /// samples two apart differ, so that differences double; the odd samples follow the even ones or oppose them.
  private static func winogradSign(_ signal: Int, _ position: Int) -> Int {
    (position / 2 % 2 == 0 ? 1 : -1) * (signal == 1 && position % 2 == 1 ? -1 : 1)
  }

  /// `[batch, height, width, channels]`
  private static func pixels(_ test: ConvolutionCase, _ random: inout SplitMix) -> [Int] {
    let size = test.shape
    var pixels: [Int] = []
    for row in 0..<size.batch * size.height {
      for x in 0..<size.width {
        let y = row % size.height
        for channel in 0..<size.channels {
          switch (test.transform, channel) {
          case (.winograd, 0..<4):
            pixels.append(127 * winogradSign(channel / 2, y) * winogradSign(channel % 2, x))
          case (.upsampling, 0): pixels.append((x + y) % 2 == 0 ? 127 : -127)
          default: pixels.append(4 * Int.random(in: -7...7, using: &random))
          }
        }
      }
    }
    return pixels
  }

  /// 3x3 kernels `[outputs, 3, 3, channels]`
  private static func kernels(_ test: ConvolutionCase, _ random: inout SplitMix) -> [Int] {
    let channels = test.shape.channels
    var kernels = [Int](repeating: 0, count: test.outputs * 9 * channels)
    for output in 0..<test.outputs {
      for channel in 0..<channels {
        for (tap, number) in kernel(test.transform, channel, &random).enumerated() {
          kernels[(output * 9 + tap) * channels + channel] = number
        }
      }
    }
    return kernels
  }

  /// One channel's 3x3 taps. None has a greatest tap less than a quarter of another's, so that channels need no balance.
  private static func kernel(
    _ transform: ConvolutionCase.Transform, _ channel: Int, _ random: inout SplitMix
  ) -> [Int] {
    switch (transform, channel) {
    // Halved sums and differences along (1, 0, 1) are 1 as its ends are; of (1, -1, 1) the sum is.
    case (.winograd, 4): return [127, 0, 127, 0, 0, 0, 127, 0, 127]
    case (.upsampling, 1): return [127, -127, 127, -127, 127, -127, 127, -127, 127]
    case (.winograd, _): return (0..<9).map { _ in 4 * Int.random(in: -14...14, using: &random) }
    case (.upsampling, _):
      let taps = (0..<9).map { _ in Int.random(in: -40...40, using: &random) }
      return abs(taps.reduce(0, +)) <= 127 ? taps : kernel(transform, channel, &random)
    }
  }

  /// The kernels of the four phases of upsampling, `[4 outputs, 2, 2, channels]`.
  private static func phases(_ taps: [Int], _ test: ConvolutionCase) -> [Int] {
    let channels = test.shape.channels
    // The taps that fall on the first and on the second source pixel.
    let sources = [[[0], [1, 2]], [[0, 1], [2]]]
    var phases: [Int] = []
    for phase in 0..<4 {
      for output in 0..<test.outputs {
        for place in 0..<4 {
          for channel in 0..<channels {
            phases.append(
              sources[phase / 2][place / 2].reduce(0) { total, y in
                sources[phase % 2][place % 2].reduce(total) { total, x in
                  total + taps[(output * 9 + 3 * y + x) * channels + channel]
                }
              })
          }
        }
      }
    }
    return phases
  }

  private static func convolution(
    _ test: ConvolutionCase, _ pixels: [Int], _ taps: [Int]
  ) -> [Int] {
    let (size, channels) = (test.shape, test.shape.channels)
    let factor = test.transform == .upsampling ? 2 : 1
    let (height, width) = (size.height * factor, size.width * factor)
    var results: [Int] = []
    for position in 0..<size.batch * height * width {
      let (row, x) = position.quotientAndRemainder(dividingBy: width)
      let (batch, y) = row.quotientAndRemainder(dividingBy: height)
      for output in 0..<test.outputs {
        var sum = 0
        for tap in 0..<9 {
          let (sourceY, sourceX) = (y + tap / 3 - 1, x + tap % 3 - 1)
          guard 0..<height ~= sourceY, 0..<width ~= sourceX else { continue }
          let pixel = (batch * size.height + sourceY / factor) * size.width + sourceX / factor
          for channel in 0..<channels {
            sum +=
              pixels[pixel * channels + channel] * taps[(output * 9 + tap) * channels + channel]
          }
        }
        results.append(sum)
      }
    }
    return results
  }

  private func compare(_ test: ConvolutionCase, on backends: [any Backend]) throws {
    var random = SplitMix(seed: UInt64(test.shape.channels * 100 + test.outputs))
    let pixels = Self.pixels(test, &random)
    let taps = Self.kernels(test, &random)
    let expected = Self.convolution(test, pixels, taps).map(Float.init)

    var builder = GraphBuilder(name: test.testDescription)
    let x = builder.input("x", test.shape)
    let weight: Parameter
    let values: [Int]
    let output: Value
    switch test.transform {
    case .winograd:
      weight = Parameter("w", [test.outputs, 3, 3, test.shape.channels])
      values = taps
      output = builder.convolution(x, weight: weight)
    case .upsampling:
      weight = Parameter("w", [4 * test.outputs, 2, 2, test.shape.channels])
      values = Self.phases(taps, test)
      output = builder.upsampleConvolution(x, weight: weight)
    }
    let graph = builder.finish(outputs: [output])
    for backend in backends {
      var weights = MemorySource()
      weights.add("w", weight.shape, values.map(Float.init), activations: .int8PerToken)
      let executable = try backend.load(weights).prepare(graph)
      executable.write(HostTensor(test.shape, pixels.map(Float.init)), to: x)
      try executable.run(observer: nil)
      #expect(executable.read(output).values == expected)
    }
  }

  @Test(arguments: all, InstructionSet.supported)
  func int8AndFloatingPointGiveTheIntegers(
    _ test: ConvolutionCase, _ set: InstructionSet
  ) throws {
    try compare(test, on: [CPUBackend(threads: 2, precision: .f32, instructionSet: set)])
    // F(4x4, 3x3) has no integers for factors.
    guard test.transform == .upsampling || set.winogradTile == .twoByTwo else { return }
    try compare(test, on: [CPUBackend(threads: 2, instructionSet: set)])
  }

  @Test(arguments: all) func theReferenceGivesTheIntegers(_ test: ConvolutionCase) throws {
    try compare(test, on: [ReferenceBackend(), ReferenceBackend(precision: .f32)])
  }
}
