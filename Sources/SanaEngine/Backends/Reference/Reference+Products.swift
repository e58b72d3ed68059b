internal import SanaGraph

extension ReferenceExecutable {
  func compute(_ operation: Linear, _ output: ReferenceActivation) {
    let weight = weight(operation.weight)
    let columns = operation.weight.shape[1]
    // Codes and scales multiply exactly in doubles, so the sum is that of the integer product.
    let (rows, values) = quantized(rows(operation.input), weight, columns: columns)
    let epilogue = epilogue(operation.epilogue, output)
    output.forEachRow { row, batch in
      for channel in 0..<output.shape.channels {
        let sum = dot(rows[row], 0, values, channel * columns, count: columns)
        output[row: row, channel] = epilogue.apply(sum, row, batch, channel)
      }
    }
  }

  func compute(_ operation: GroupedLinear, _ output: ReferenceActivation) {
    let weight = weight(operation.weight)
    let rows = rows(operation.input)
    let columns = operation.weight.shape[1]
    let outputsPerGroup = output.shape.channels / operation.groups
    output.forEachRow { row, _ in
      for channel in 0..<output.shape.channels {
        let group = channel / outputsPerGroup
        output[row: row, channel] = dot(
          rows[row], group * columns, weight.values, channel * columns, count: columns)
      }
    }
  }

  /// What a product of int8 activations multiplies: transformed rows and weights that their codes
  /// stand for. Those of a weight in floating point have one scale an output channel.
  private func quantized(
    _ rows: [[Double]], _ weight: ReferenceWeight, columns: Int
  ) -> (rows: [[Double]], weight: [Double]) {
    guard let coded = weight.coded else { return (rows, weight.values) }
    let codedRows = rows.map { row in
      let factored = zip(row, coded.factors).map { Float($0) * $1 }
      let rotated = HadamardRotation.apply(factored, block: coded.activations.rotation)
      return Self.quantizedPerToken(rotated.map(Double.init), planes: coded.activations.planes)
    }
    guard coded.isFloatingPoint else { return (codedRows, coded.values) }
    let codedWeight = stride(from: 0, to: coded.values.count, by: columns).flatMap { start in
      Self.quantizedPerChannel(coded.values[start..<start + columns].map { Float($0) })
    }
    return (codedRows, codedWeight)
  }

  func dot(
    _ first: [Double], _ firstStart: Int, _ second: [Double], _ secondStart: Int, count: Int
  ) -> Double {
    var sum = 0.0
    for index in 0..<count { sum += first[firstStart + index] * second[secondStart + index] }
    return sum
  }

  /// The channels of every position.
  func rows(_ value: Value) -> [[Double]] {
    let input = activation(value)
    return (0..<input.shape.rows).map { input.channels(row: $0) }
  }

  /// The definition of coded activations: with `a` the greatest magnitude of the row,
  /// `code = x * (127 / a)` rounded half to even, `scale = a / 127`, in f32. A row of zeros has the
  /// scale 0. In a second plane, `code = 254 * (x * (1 / scale) - first code)`, at most 127,
  /// rounded likewise, of the scale `scale / 254`.
  /// - Parameter largest: what takes the place of 127.
  static func quantizedPerToken(
    _ channels: [Double], planes: Int = 1, largest: Float = 127
  ) -> [Double] {
    let values = channels.map(Float.init)
    let greatest = values.reduce(0) { max($0, abs($1)) }
    let inverse = largest / greatest
    guard inverse.isFinite else { return values.map { _ in 0 } }
    let scale = greatest / largest
    return values.map { value in
      let code = (value * inverse).rounded(.toNearestOrEven)
      guard planes > 1 else { return Double(code) * Double(scale) }
      let rest = max(-127, min(127, (value * (1 / scale) - code) * 254))
      return (Double(code) + Double(rest.rounded(.toNearestOrEven)) / 254) * Double(scale)
    }
  }

  /// The weights of an output channel: `scale` is the greatest magnitude / 127, a code the number / scale, rounded half to even, in
  /// f32.
  static func quantizedPerChannel(_ values: [Float]) -> [Double] {
    let scale = values.reduce(0) { max($0, abs($1)) } / 127
    guard scale >= Float.leastNormalMagnitude else { return values.map { _ in 0 } }
    return values.map { Double(($0 / scale).rounded(.toNearestOrEven)) * Double(scale) }
  }

  func epilogue(_ epilogue: Epilogue, _ output: ReferenceActivation) -> ReferenceEpilogue {
    ReferenceEpilogue(
      bias: epilogue.bias.map { weight($0).values }, activation: epilogue.activation,
      gate: epilogue.gate.map { modulation($0, channels: output.shape.channels) },
      residual: epilogue.residual.map(activation))
  }
}

/// What happens to a sum before it is stored.
struct ReferenceEpilogue {
  let bias: [Double]?
  let activation: Activation
  let gate: ReferenceModulation?
  let residual: ReferenceActivation?

  func apply(_ sum: Double, _ row: Int, _ batch: Int, _ channel: Int) -> Double {
    var result = activation.apply(sum + (bias?[channel] ?? 0))
    if let gate { result *= gate[batch, channel] }
    if let residual { result += residual[row: row, channel] }
    return result
  }
}
