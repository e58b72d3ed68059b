import Testing
import WeightFormats

/// Fusing against its definition, element by element, and unfusing against fusing.
@Suite struct FusionTests {
  private func elements<Element: BitwiseCopyable>(
    _ values: [Element], _ type: ScalarType
  ) -> TensorElements {
    TensorElements(
      type: type,
      bytes: TensorBytes(byteCount: values.count * type.byteCount) { memory in
        values.withUnsafeBytes { memory.copyMemory(from: $0) }
      })
  }

  private func array<Element: BitwiseCopyable>(_ elements: TensorElements, as: Element.Type)
    -> [Element]
  {
    Array(elements.bytes.bytes.assumingMemoryBound(to: Element.self))
  }

  /// The official tensors that the whole fused tensor gives back.
  private func unfuse(
    _ rule: FusionRule, _ elements: TensorElements, to types: [ScalarType]
  ) -> [TensorElements] {
    let pieces = rule.unfuse(elements, rows: 0..<rule.rows, to: types)
    #expect(pieces.map(\.source) == Array(rule.sources.indices))
    #expect(pieces.allSatisfy { $0.start == 0 })
    return pieces.map(\.elements)
  }

  private func rule(_ shape: [Int], _ fusion: FusionRule.Fusion, from sources: [[Int]]) throws
    -> FusionRule
  {
    FusionRule(
      name: "fused", shape: shape, fusion: fusion,
      sources: sources.map { OfficialTensor(name: "source", shape: $0) })
  }

  @Test func concatenationStacksRows() throws {
    let rule = try rule([3, 2], .concatenateRows, from: [[1, 2], [2, 2]])
    let sources = [
      elements([1, 2] as [UInt16], .bf16), elements([3, 4, 5, 6] as [UInt16], .bf16),
    ]
    let fused = rule.fuse(sources)
    #expect(fused.type == .bf16)
    #expect(array(fused, as: UInt16.self) == [1, 2, 3, 4, 5, 6])
    let parts = unfuse(rule, fused, to: [.bf16, .bf16])
    #expect(parts.map { array($0, as: UInt16.self) } == [[1, 2], [3, 4, 5, 6]])
  }

  @Test func anyBandOfRowsFusesAndUnfusesAsTheWholeDoes() throws {
    let rules = try [
      rule([6, 2], .reshape, from: [[6, 2, 1, 1]]),
      rule([7, 3], .concatenateRows, from: [[2, 3], [4, 3], [1, 3]]),
      rule([4, 3, 3, 2], .channelsLast, from: [[4, 2, 3, 3]]),
      rule([5, 5, 4], .depthwiseChannelsLast, from: [[4, 1, 5, 5]]),
      rule([8, 2, 2, 3], .upsamplePhases, from: [[2, 3, 3, 3]]),
    ]
    for rule in rules {
      let sources = rule.sources.map { source in
        elements((0..<source.elementCount).map { Float($0) + Float(source.shape[0]) / 8 }, .f32)
      }
      let whole = array(rule.fuse(sources), as: Float.self)
      for first in 0..<rule.rows {
        for end in first + 1...rule.rows {
          let band = TensorElements(
            type: .bf16,
            bytes: TensorBytes(byteCount: (end - first) * rule.columns * 2) { memory in
              rule.fuse(sources, rows: first..<end, as: .bf16, into: memory)
            })
          let expected = elements(
            Array(whole[first * rule.columns..<end * rule.columns]), .f32
          ).converted(to: .bf16)
          #expect(array(band, as: UInt16.self) == array(expected, as: UInt16.self))
          guard rule.unfusesByRows else { continue }
          let types = rule.sources.map { _ in ScalarType.f32 }
          for piece in rule.unfuse(
            elements(Array(whole[first * rule.columns..<end * rule.columns]), .f32),
            rows: first..<end, to: types)
          {
            let original = sources[piece.source].slice(
              piece.start..<piece.start + piece.elements.count)
            #expect(
              array(piece.elements, as: Float.self) == array(original, as: Float.self))
          }
        }
      }
    }
  }

  @Test func sourcesOfDifferentTypesMeetInF32() throws {
    let rule = try rule([2], .concatenateRows, from: [[1], [1]])
    let fused = rule.fuse([elements([0x3F80] as [UInt16], .bf16), elements([2.5] as [Float], .f32)])
    #expect(fused.type == .f32)
    #expect(array(fused, as: Float.self) == [1, 2.5])
    let parts = unfuse(rule, fused, to: [.bf16, .f32])
    #expect(array(parts[0], as: UInt16.self) == [0x3F80])
    #expect(array(parts[1], as: Float.self) == [2.5])
  }

  @Test func channelsLastMovesBitsUnchanged() throws {
    let (outputs, inputs) = (3, 5)
    let rule = try rule([outputs, 3, 3, inputs], .channelsLast, from: [[outputs, inputs, 3, 3]])
    // All 16-bit patterns here are different, NaNs among them.
    let source = (0..<UInt16(outputs * inputs * 9)).map { 0x7F00 &+ $0 &* 7 }
    let fused = array(rule.fuse([elements(source, .f16)]), as: UInt16.self)
    for output in 0..<outputs {
      for input in 0..<inputs {
        for tap in 0..<9 {
          #expect(
            fused[(output * 9 + tap) * inputs + input]
              == source[(output * inputs + input) * 9 + tap])
        }
      }
    }
    let back = unfuse(rule, elements(fused, .f16), to: [.f16])
    #expect(array(back[0], as: UInt16.self) == source)
  }

  @Test func depthwiseKernelsBecomeTapsOfChannels() throws {
    let channels = 7
    let rule = try rule([5, 5, channels], .depthwiseChannelsLast, from: [[channels, 1, 5, 5]])
    let source = (0..<channels * 25).map { Float($0) }
    let fused = array(rule.fuse([elements(source, .f32)]), as: Float.self)
    for channel in 0..<channels {
      for tap in 0..<25 { #expect(fused[tap * channels + channel] == source[channel * 25 + tap]) }
    }
    #expect(array(unfuse(rule, elements(fused, .f32), to: [.f32])[0], as: Float.self) == source)
  }

  @Test func phaseKernelsComputeUpsamplingThenConvolution() throws {
    let (outputs, inputs, height, width) = (2, 3, 4, 5)
    var state: UInt32 = 1
    func random() -> Float {
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 8) / Float(1 << 24) - 0.5
    }
    let kernel = (0..<outputs * inputs * 9).map { _ in random() }
    let image = (0..<height * width * inputs).map { _ in random() }
    let rule = try rule(
      [4 * outputs, 2, 2, inputs], .upsamplePhases, from: [[outputs, inputs, 3, 3]])
    let phases = array(rule.fuse([elements(kernel, .f32)]), as: Float.self)

    func pixel(_ y: Int, _ x: Int, _ channel: Int) -> Float {
      (0..<height).contains(y) && (0..<width).contains(x)
        ? image[(y * width + x) * inputs + channel] : 0
    }
    for y in 0..<2 * height {
      for x in 0..<2 * width {
        for output in 0..<outputs {
          var direct: Float = 0
          for (ky, kx, input) in taps(3, inputs) {
            let (row, column) = (y + ky - 1, x + kx - 1)
            guard (0..<2 * height).contains(row), (0..<2 * width).contains(column) else { continue }
            direct +=
              kernel[((output * inputs + input) * 3 + ky) * 3 + kx]
              * pixel(row / 2, column / 2, input)
          }
          var phased: Float = 0
          let (py, px) = (y % 2, x % 2)
          for (ky, kx, input) in taps(2, inputs) {
            let index = ((((2 * py + px) * outputs + output) * 2 + ky) * 2 + kx) * inputs + input
            phased += phases[index] * pixel(y / 2 + ky + py - 1, x / 2 + kx + px - 1, input)
          }
          #expect(abs(direct - phased) < 1e-5)
        }
      }
    }
  }

  private func taps(_ size: Int, _ inputs: Int) -> [(Int, Int, Int)] {
    (0..<size).flatMap { y in (0..<size).flatMap { x in (0..<inputs).map { (y, x, $0) } } }
  }

  @Test(arguments: [ScalarType.f16, .bf16])
  func phaseKernelsOfHalvesComeBackExactly(_ type: ScalarType) throws {
    let (outputs, inputs) = (8, 16)
    let rule = try rule(
      [4 * outputs, 2, 2, inputs], .upsamplePhases, from: [[outputs, inputs, 3, 3]])
    var state: UInt32 = 7
    let floats = (0..<outputs * inputs * 9).map { _ -> Float in
      state = state &* 1_664_525 &+ 1_013_904_223
      return (Float(state >> 8) / Float(1 << 24) - 0.5) * (state % 5 == 0 ? 0.01 : 1)
    }
    let source = elements(floats, .f32).converted(to: type)
    let fused = rule.fuse([source])
    #expect(fused.type == .f32)
    let back = unfuse(rule, fused, to: [type])[0]
    #expect(array(back, as: UInt16.self) == array(source, as: UInt16.self))
  }

  @Test func phaseKernelsOfF32ComeBackToRounding() throws {
    let (outputs, inputs) = (16, 16)
    let rule = try rule(
      [4 * outputs, 2, 2, inputs], .upsamplePhases, from: [[outputs, inputs, 3, 3]])
    var state: UInt32 = 3
    let source = (0..<outputs * inputs * 9).map { _ -> Float in
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 8) / Float(1 << 24) - 0.5
    }
    let fused = rule.fuse([elements(source, .f32)])
    let back = array(unfuse(rule, fused, to: [.f32])[0], as: Float.self)
    for index in source.indices {
      let tap = index % 9
      if [0, 2, 6, 8].contains(tap) {
        #expect(back[index] == source[index])
      } else {
        #expect(abs(back[index] - source[index]) <= 2.4e-7)
      }
    }
  }
}
