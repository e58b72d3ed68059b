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

  /// What a product of int8 activations multiplies: rows and weights that their codes stand for. Those of a weight in floating point
  /// are made of balanced channels (`ChannelBalance`), one scale an output channel.
  private func quantized(
    _ rows: [[Double]], _ weight: ReferenceWeight, columns: Int
  ) -> (rows: [[Double]], weight: [Double]) {
    guard weight.quantizesActivations else { return (rows, weight.values) }
    guard weight.isFloatingPoint else {
      return (rows.map { Self.quantizedPerToken($0) }, weight.values)
    }
    let factors = ChannelBalance.factors(magnitudes(weight, channels: columns))
    return (
      rows.map { Self.quantizedPerToken(zip($0, factors).map { $0 * Double($1) }) },
      stride(from: 0, to: weight.values.count, by: columns).flatMap { start in
        Self.quantizedPerChannel(
          factors.indices.map { Float(weight.values[start + $0]) / factors[$0] })
      }
    )
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

  /// The definition of `ActivationEncoding.int8PerToken`: with `a` the greatest magnitude of the row, `code = x * (127 / a)` rounded
  /// half to even, `scale = a / 127`, in f32. A row of zeros has the scale 0.
  /// - Parameter largest: what takes the place of 127.
  static func quantizedPerToken(_ channels: [Double], largest: Float = 127) -> [Double] {
    let values = channels.map(Float.init)
    let greatest = values.reduce(0) { max($0, abs($1)) }
    let inverse = largest / greatest
    guard inverse.isFinite else { return values.map { _ in 0 } }
    let scale = Double(greatest / largest)
    return values.map { Double(($0 * inverse).rounded(.toNearestOrEven)) * scale }
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
