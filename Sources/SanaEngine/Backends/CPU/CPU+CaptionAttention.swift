internal import CKernels
internal import SanaGraph

extension CPUExecutable {
  /// - Returns: how long the products of the queries, the attention and the last products took.
  func compute(_ step: CPUCaptionAttention, _ scratch: UnsafeMutableRawPointer) -> [Duration] {
    let clock = ContinuousClock()
    var durations = [Duration](repeating: .zero, count: 3)
    let layout = device.scratch(for: step, in: graph)
    let queries = (scratch + layout.queriesOffset).assumingMemoryBound(to: Float.self)
    let input = shape(step.query.input)
    let keyValue = shape(step.attention.keyValue)
    let output = graph.nodes[step.nodes.upperBound].output
    let outputs = shape(output).channels
    let width = step.attention.heads * step.attention.headDimension
    for (image, tokens) in tokenCounts(step.attention).enumerated() {
      let keys = floats(step.attention.keyValue) + image * keyValue.positions * keyValue.channels
      let target = floats(output) + image * input.positions * outputs
      let residual = floats(step.residual) + image * input.positions * outputs
      guard tokens > 1 else {
        durations[2] += clock.measure {
          // Over no token at all, attention is zero.
          if tokens == 0 { queries.update(repeating: 0, count: width) }
          let row = (scratch + layout.rowOffset).assumingMemoryBound(to: Float.self)
          multiply(
            step.projection, rows: 1, from: tokens == 0 ? queries : keys + width, to: row,
            residual: nil, layout.projection, scratch)
          pool.forEachRange(input.positions, minimum: 64) { positions in
            for position in positions {
              kernels.add(
                residual + position * outputs, row, target + position * outputs, outputs)
            }
          }
        }
        continue
      }
      for first in stride(from: 0, to: input.positions, by: layout.positionsAtOnce) {
        let count = min(layout.positionsAtOnce, input.positions - first)
        durations[0] += clock.measure {
          multiply(
            step.query, rows: count,
            from: floats(step.query.input)
              + (image * input.positions + first) * input.channels,
            to: queries, residual: nil, layout.query, scratch)
          if let norm = step.norm {
            normalize(
              self.norm(
                norm, shape(step.attention.query), input: queries, output: queries, residual: nil),
              0..<count)
          }
        }
        durations[1] += clock.measure {
          // Each head's results take the place of its queries.
          attend(
            step.attention, queries: queries, count: count, keyValues: keys, tokens: tokens,
            stride: keyValue.channels, to: queries, layout.attention, scratch)
        }
        durations[2] += clock.measure {
          multiply(
            step.projection, rows: count, from: queries, to: target + first * outputs,
            residual: residual + first * outputs, layout.projection, scratch)
        }
      }
    }
    return durations
  }
}
