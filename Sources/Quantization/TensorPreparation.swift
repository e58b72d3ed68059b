internal import CKernels
internal import Support
internal import WeightFormats

/// What is decided for one weight before its rows are coded.
struct TensorPreparation: Sendable {
  var transformation = InputTransformation()
  /// `nil` for rounding every number by itself.
  var rounding: SecondOrderRounding?

  /// How the input is coded that a target asks to be coded.
  func activations(_ target: ActivationEncoding) -> ActivationEncoding {
    guard target.isInt8 else { return target }
    return ActivationEncoding(
      planes: target.planes, hasFactors: transformation.factors != nil,
      rotation: transformation.rotation)
  }
}

/// Makes the preparations of a plan's steps.
struct TensorPreparer {
  let method: QuantizationMethod
  let statistics: (any InputStatistics)?
  let times: StageTimes
  let cancellation: CancellationToken

  /// Second-order rounding takes the third power of these in operations, the square in memory:
  /// wider weights, Gemma's last products of 9216 columns, would take longer than all others
  /// together.
  private static let mostSecondOrderColumns = 6144

  /// - Throws: `.tensorMismatch` for statistics of another weight; what reading throws.
  func preparation(
    for step: QuantizationPlan.Step, from source: ComponentSource
  ) throws -> TensorPreparation {
    var preparation = TensorPreparation()
    let target = step.target
    let description = step.source.description
    guard !step.isCopy, target.encoding.isQuantized || target.activations.isInt8 else {
      return preparation
    }
    guard description.shape.count == 2 else {
      if target.activations.isInt8 {
        preparation.transformation = try balance(step, from: source)
      }
      return preparation
    }
    let sample = method.usesStatistics ? try sample(of: step) : nil
    if target.activations.isInt8 {
      preparation.transformation = try transformation(step, sample, from: source)
    }
    if method.isSecondOrder, target.encoding.isQuantized, let sample,
      description.columns <= Self.mostSecondOrderColumns
    {
      preparation.rounding = try SecondOrderRounding(
        inputRows: coded(sample, preparation.transformation, planes: target.activations.planes),
        columns: description.columns, cancellation: cancellation)
    }
    return preparation
  }

  private func sample(of step: QuantizationPlan.Step) throws -> InputSample? {
    guard let sample = try statistics?.sample(of: step.source.name, in: step.component),
      sample.rowCount > 0
    else { return nil }
    guard sample.columns == step.source.description.columns else {
      throw SanaError(
        .tensorMismatch,
        "the statistics of '\(step.qualifiedName.abbreviated)' have \(sample.columns) columns, the"
          + " weight \(step.source.description.columns)",
        remedy: "gather them with this model (sana-quant calibrate)")
    }
    return sample
  }

  private func transformation(
    _ step: QuantizationPlan.Step, _ sample: InputSample?, from source: ComponentSource
  ) throws -> InputTransformation {
    let columns = step.source.description.columns
    // A weight that is coded when it is loaded has its large channels balanced.
    guard step.target.encoding.isQuantized else { return try balance(step, from: source) }
    let rotation = method.rotates ? TransformationSearch.rotation(columns: columns) : 1
    guard method.migrates, let sample else { return InputTransformation(rotation: rotation) }
    let search = TransformationSearch(
      columns: columns, sample: sample, weights: try someRows(of: step, from: source),
      inputNoise: step.target.activations.planes > 1 ? 1 / (254 * 254) : 1)
    return search.best(rotation: rotation)
  }

  /// Rows of the weight, taken evenly in short runs.
  private func someRows(
    of step: QuantizationPlan.Step, from source: ComponentSource
  ) throws -> [Float] {
    let rows = step.source.description.rows
    let wanted = min(rows, TransformationSearch.weightRows)
    let run = 16
    let runs = max((wanted + run - 1) / run, 1)
    var numbers: [Float] = []
    for index in 0..<runs {
      let first = index * rows / runs
      try SourceRows.forEach(
        of: step.source, rows: first..<min(first + min(run, rows / runs + 1), rows), from: source,
        times: times
      ) { _, floats in numbers += floats }
    }
    return numbers
  }

  /// The factors of input channels that have much larger weights than most.
  private func balance(
    _ step: QuantizationPlan.Step, from source: ComponentSource
  ) throws -> InputTransformation {
    let description = step.source.description
    let channels = description.shape.last ?? 1
    var magnitudes = [Float](repeating: 0, count: channels)
    let rows = max((1 << 20) / max(description.columns, 1), 1)
    for first in stride(from: 0, to: description.rows, by: rows) {
      try cancellation.check()
      try SourceRows.forEach(
        of: step.source, rows: first..<min(first + rows, description.rows), from: source,
        times: times
      ) { _, floats in
        for (index, number) in floats.enumerated() {
          let magnitude = abs(number)
          if magnitude > magnitudes[index % channels] { magnitudes[index % channels] = magnitude }
        }
      }
    }
    let factors = ChannelBalance.factors(magnitudes)
    return factors.contains { $0 != 1 }
      ? InputTransformation(factors: factors) : InputTransformation()
  }

  /// Rows of the input as the product multiplies them.
  private func coded(
    _ sample: InputSample, _ transformation: InputTransformation, planes: Int
  ) -> [Float] {
    var rows = sample.rows
    rows.withUnsafeMutableBufferPointer {
      transformation.transform(input: $0, columns: sample.columns)
    }
    guard planes == 1, sample.columns > 0 else { return rows }
    var codes = [Int8](repeating: 0, count: rows.count)
    var scales = [Float](repeating: 0, count: sample.rowCount)
    let coded = sana_quantize_rows(
      rows, sample.rowCount, sample.columns, sample.columns, 127, &codes, &scales)
    sana_dequantize_rows(codes, scales, coded, sample.columns, sample.columns, &rows)
    return rows
  }
}
