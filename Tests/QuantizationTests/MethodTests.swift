import Foundation
import Quantization
import Support
import TestSupport
import Testing
import WeightFormats

/// What a method makes of weights whose input is known.
@Suite struct MethodTests {
  /// Inputs whose columns go together, of which a few may be large.
  private struct Samples: InputStatistics {
    static let columns = 96
    private static let causes = 16
    var outlier: Float = 25

    func rows(_ count: Int, seed: UInt64) -> [Float] {
      let columns = Self.columns
      let noise = QuantizationSamples.numbers(count * columns, seed: seed)
      let causes = QuantizationSamples.numbers(count * Self.causes, seed: seed + 1)
      let mixing = QuantizationSamples.numbers(Self.causes * columns, seed: 99)
      return noise.indices.map { index in
        let (row, column) = index.quotientAndRemainder(dividingBy: columns)
        let common = (0..<Self.causes).reduce(Float(0)) {
          $0 + causes[row * Self.causes + $1] * mixing[$1 * columns + column]
        }
        return (common + 0.2 * noise[index]) * (column % 31 == 3 ? outlier : 1)
      }
    }

    func sample(of weight: String, in component: ComponentKind) -> InputSample? {
      let rows = rows(400, seed: 11)
      func column(_ body: ([Float]) -> Float) -> [Float] {
        (0..<Self.columns).map { column in
          body(stride(from: column, to: rows.count, by: Self.columns).map { rows[$0] })
        }
      }
      return InputSample(
        columns: Self.columns, rows: rows, maxima: column { $0.map(abs).max() ?? 0 },
        meanSquares: column { $0.reduce(0) { $0 + $1 * $1 } / Float($0.count) }, seenRows: 400)
    }
  }

  private static let name = "transformer_blocks.0.attn1.to_qkv.weight"
  private static let shape = [144, Samples.columns]

  private func withQuantized<Result>(
    _ method: QuantizationMethod, _ recipe: String = "w8a8", rules: [String] = [],
    statistics: Samples = Samples(),
    _ body: (_ before: ModelFile, _ after: ModelFile) throws -> Result
  ) throws -> Result {
    let model: [ComponentKind: [StoredTensor]] = [
      .transformer: [QuantizationSamples.tensor(Self.name, Self.shape)]
    ]
    return try QuantizationSamples.withModel(model) { path, output in
      let file = try ModelFile(path: path)
      let plan = try QuantizationPlan(
        file, recipe: .named(recipe), rules: rules.map { try QuantizationRule(parsing: $0) })
      try Quantizer(file: file, plan: plan, method: method, statistics: statistics)
        .write(to: output, tool: "a test")
      let result = try ModelFile(path: output)
      try result.verify()
      return try body(file, result)
    }
  }

  /// Decibels between the products of new inputs with the weights before and after, both inputs and
  /// weights coded as the file says.
  private func productQuality(
    _ before: ModelFile, _ after: ModelFile, of samples: Samples = Samples()
  ) throws -> Double {
    let columns = Samples.columns
    let original = try before.source(for: .transformer).load(Self.name).floats
    let source = try after.source(for: .transformer)
    let stored = try source.load(Self.name)
    let activations = stored.description.activations
    var weights: [Float] = []
    for row in 0..<Self.shape[0] {
      weights += stored.int8Codes[row * columns..<(row + 1) * columns].map {
        Float($0) * stored.scaleNumbers[row]
      }
    }
    let factors =
      activations.hasFactors
      ? try source.load(InputFactors.name(of: Self.name)).floats
      : [Float](repeating: 1, count: columns)
    let inputs = samples.rows(60, seed: 23)
    var (signal, noise) = (0.0, 0.0)
    for start in stride(from: 0, to: inputs.count, by: columns) {
      let input = Array(inputs[start..<start + columns])
      var coded = rotated(zip(input, factors).map { $0 * $1 }, block: activations.rotation)
      if activations.isInt8 {
        let scale = (coded.map(abs).max() ?? 0) / 127
        coded = coded.map { ($0 / scale).rounded(.toNearestOrEven) * scale }
      }
      for row in 0..<Self.shape[0] {
        let place = row * columns
        var (exact, result): (Float, Float) = (0, 0)
        for column in 0..<columns {
          exact += input[column] * original[place + column]
          result += coded[column] * weights[place + column]
        }
        signal += Double(exact * exact)
        noise += Double((exact - result) * (exact - result))
      }
    }
    return 10 * log10(signal / noise)
  }

  private func rotated(_ numbers: [Float], block: Int) -> [Float] {
    guard block > 1 else { return numbers }
    return numbers.indices.map { index in
      let first = index / block * block
      return (0..<block).reduce(0) { sum, other in
        let isNegative = (index % block & other).nonzeroBitCount % 2 == 1
        return sum + (isNegative ? -1 : 1) * numbers[first + other] / Float(block).squareRoot()
      }
    }
  }

  @Test func everyMethodIsBetterThanTheOneBefore() throws {
    let methods: [QuantizationMethod] = [.nearest, .rotation, .migration]
    let decibels = try methods.map { method in
      try withQuantized(method) { try productQuality($0, $1) }
    }
    #expect(decibels[1] >= decibels[0] + 3, "\(decibels)")
    #expect(decibels[2] >= decibels[1] + 2, "\(decibels)")
  }

  @Test func numbersMakeUpForEachOthersRounding() throws {
    // Where the input is not coded, the weights are all that is rounded.
    let samples = Samples(outlier: 1)
    let decibels = try [QuantizationMethod.nearest, .secondOrder].map { method in
      try withQuantized(method, "w8a16", statistics: samples) {
        try productQuality($0, $1, of: samples)
      }
    }
    #expect(decibels[1] >= decibels[0] + 4, "\(decibels)")
  }

  @Test func transformedWeightsStandForWhatTheyWere() throws {
    for method in QuantizationMethod.all {
      for rule in ["to_qkv=int8/a8", "to_qkv=f16/a8", "to_qkv=int8/a16"] {
        try withQuantized(method, rules: [rule]) { before, after in
          let comparison = try ModelComparison(
            ComparedModel(path: before.path), ComparedModel(path: after.path))
          let tensors = comparison.tensors.filter { $0.name == Self.name }
          #expect(comparison.tensors.count == 1 && tensors.count == 1)
          guard case .different(let statistics) = tensors[0].outcome else {
            Issue.record("\(tensors[0].outcome)")
            return
          }
          // Second-order rounding moves numbers further than to the nearest code.
          #expect(
            statistics.signalToNoise >= (method == .secondOrder ? 25 : 35),
            "\(method.name), \(rule)")
        }
      }
    }
  }

  @Test func aTransformedModelCanBeQuantizedAgain() throws {
    try withQuantized(.migration) { before, after in
      try withTemporaryDirectory { directory in
        let path = directory.path("again.sana")
        let plan = try QuantizationPlan(
          after, recipe: .named("f16"), allowsRequantizing: true)
        try Quantizer(file: after, plan: plan).write(to: path, tool: "a test")
        let again = try ModelFile(path: path)
        let source = try again.source(for: .transformer)
        #expect(source.component.tensors.map(\.name) == [Self.name])
        #expect(source.description(of: Self.name)?.activations == .floatingPoint)
        let comparison = try ModelComparison(
          ComparedModel(path: before.path), ComparedModel(path: path))
        guard case .different(let statistics) = comparison.tensors[0].outcome else { return }
        #expect(statistics.signalToNoise >= 35)
      }
    }
  }

  @Test func statisticsOfAnotherWeightAreRefused() throws {
    let model: [ComponentKind: [StoredTensor]] = [
      .transformer: [QuantizationSamples.tensor(Self.name, [16, 32])]
    ]
    try QuantizationSamples.withModel(model) { path, output in
      let file = try ModelFile(path: path)
      let plan = try QuantizationPlan(file, recipe: .named("w8a8"))
      let error = #expect(throws: SanaError.self) {
        try Quantizer(file: file, plan: plan, method: .migration, statistics: Samples())
          .write(to: output, tool: "a test")
      }
      #expect(error?.code == .tensorMismatch)
    }
  }
}
