import TestSupport
import CPUBackend
import SanaEngine
import SanaGraph
import Support
import Testing
import WeightFormats

/// int8 products of integers with scales of one are integers, and must be exactly those.
@Suite struct ExactProductTests {
  private func compare(
    rows: Int, columns: Int, outputs: Int, _ set: InstructionSet, _ random: inout SplitMix
  ) throws {
    // The largest code of a row is 127, so that its scale is one. Sums below 2^24 are exact in f32.
    let limit: Int8 = columns <= 1040 ? 127 : 31
    var activations = (0..<rows * columns).map { _ in
      Int8.random(in: -limit...limit, using: &random)
    }
    for row in 0..<rows {
      activations[row * columns + Int.random(in: 0..<columns, using: &random)] =
        Bool.random(using: &random) ? 127 : -127
    }
    let weights = (0..<outputs * columns).map { _ in
      Int8.random(in: -limit...limit, using: &random)
    }
    var builder = GraphBuilder(name: "integers")
    let x = builder.input("x", .tokens(batch: 1, count: rows, channels: columns))
    let y = builder.linear(x, weight: Parameter("w", [outputs, columns]))
    var source = MemorySource()
    source.add(
      "w", [outputs, columns], .int8PerChannel, bytes: weights.map { UInt8(bitPattern: $0) },
      scales: [Float](repeating: 1, count: outputs), activations: .int8PerToken)
    let executable = try CPUBackend(threads: 2, instructionSet: set)
      .load(source)
      .prepare(builder.finish(outputs: [y]))
    executable.write(
      HostTensor(.tokens(batch: 1, count: rows, channels: columns), activations.map(Float.init)),
      to: x)
    try executable.run(observer: nil)
    let results = executable.read(y).values
    for row in 0..<rows {
      for output in 0..<outputs {
        var sum: Int32 = 0
        for column in 0..<columns {
          sum +=
            Int32(activations[row * columns + column]) * Int32(weights[output * columns + column])
        }
        guard Int32(exactly: results[row * outputs + output]) == sum else {
          Issue.record(
            "\(rows) x \(columns) -> \(outputs): \(results[row * outputs + output]) for \(sum)")
          return
        }
      }
    }
  }

  @Test(arguments: InstructionSet.supported) func sumsAreTheIntegers(_ set: InstructionSet) throws {
    var random = SplitMix(seed: 5)
    for (rows, columns, outputs) in [
      (1, 1, 1), (12, 4, 32), (13, 64, 33), (2, 1040, 31), (400, 60, 65), (7, 3000, 9),
    ] {
      try compare(rows: rows, columns: columns, outputs: outputs, set, &random)
    }
    for _ in 0..<12 {
      try compare(
        rows: Int.random(in: 1...70, using: &random),
        columns: Int.random(in: 1...500, using: &random),
        outputs: Int.random(in: 1...120, using: &random), set, &random)
    }
  }
}
