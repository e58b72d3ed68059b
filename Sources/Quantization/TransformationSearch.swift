internal import WeightFormats

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Looks for what a product's input is to be transformed by, so that int8 codes of both it and its
/// weight say as much as they can.
///
/// Columns of the input are divided by `s` and those of the weight multiplied (outlier migration:
/// SmoothQuant, arXiv 2211.10438), which moves what is hard to code from the one to the other;
/// a rotation then spreads what is left over blocks of columns (QuaRot, arXiv 2404.00456). How far
/// to move is chosen for each product by the noise that both codings will make in its result.
struct TransformationSearch {
  /// Numbers of a row are rounded to this many steps.
  private static let steps: Float = 127
  /// The rows of the weight that are looked at.
  static let weightRows = 384
  /// The rows of the input that are looked at.
  private static let inputRows = 192
  private static let strengths: [Float] = [0.3, 0.4, 0.5, 0.6, 0.7, 0.85]

  let columns: Int
  let sample: InputSample
  /// `[count, columns]`: rows of the weight, evenly taken.
  let weights: [Float]
  /// What a second plane of codes leaves of the input's noise.
  let inputNoise: Float

  /// The largest power of two that cuts the columns into whole blocks.
  static func rotation(columns: Int) -> Int {
    guard columns > 0 else { return 1 }
    return min(1 << columns.trailingZeroBitCount, ActivationEncoding.largestRotation)
  }

  /// - Parameter rotation: columns of a block.
  func best(rotation: Int) -> InputTransformation {
    let candidates =
      [InputTransformation(rotation: rotation)]
      + factors.map {
        InputTransformation(factors: $0, rotation: rotation)
      }
    let inputs = inputs
    let noises = candidates.map { noise($0, inputs: inputs) }
    let least = noises.indices.min { noises[$0] < noises[$1] } ?? 0
    return candidates[least]
  }

  /// The factors of the input to choose among: by the greatest magnitudes and the mean squares of
  /// its columns and the weight's.
  private var factors: [[Float]] {
    let count = max(weights.count / max(columns, 1), 1)
    var greatest = [Float](repeating: 0, count: columns)
    var squares = [Float](repeating: 0, count: columns)
    for row in 0..<count {
      for column in 0..<columns {
        let weight = weights[row * columns + column]
        greatest[column] = max(greatest[column], abs(weight))
        squares[column] += weight * weight / Float(count)
      }
    }
    return Self.strengths.map { Self.factors(sample.maxima, greatest, strength: $0) }
      + Self.strengths.map { strength in
        Self.factors(
          sample.meanSquares.map { $0.squareRoot() }, squares.map { $0.squareRoot() },
          strength: strength)
      }
  }

  /// `weight^(1 - strength) / input^strength`, around one.
  private static func factors(_ inputs: [Float], _ weights: [Float], strength: Float) -> [Float] {
    let inputFloor = max((inputs.max() ?? 0) * 1e-4, 1e-20)
    let weightFloor = max((weights.max() ?? 0) * 1e-4, 1e-20)
    let logarithms = zip(inputs, weights).map { input, weight in
      (1 - strength) * logf(max(weight, weightFloor)) - strength * logf(max(input, inputFloor))
    }
    let mean = logarithms.reduce(0, +) / Float(max(logarithms.count, 1))
    return logarithms.map { expf($0 - mean) }
  }

  /// Rows of the input, evenly taken.
  private var inputs: [Float] {
    let rows = min(sample.rowCount, Self.inputRows)
    return (0..<rows).flatMap { index in
      let row = index * sample.rowCount / rows
      return sample.rows[row * columns..<(row + 1) * columns]
    }
  }

  /// What both codings add to the product's square error, as if rounding were noise of a step's
  /// width that knows nothing of the numbers.
  /// - Parameter inputs: rows of the input.
  private func noise(_ transformation: InputTransformation, inputs: [Float]) -> Float {
    var inputs = inputs
    inputs.withUnsafeMutableBufferPointer {
      transformation.transform(input: $0, columns: columns)
    }
    var weights = weights
    weights.withUnsafeMutableBufferPointer { transformation.apply(to: $0, columns: columns) }
    let input = Self.energies(inputs, columns: columns)
    let weight = Self.energies(weights, columns: columns)
    return input.steps * inputNoise * weight.energy + weight.steps * input.energy
  }

  /// The squares of rows' steps and of their numbers, added up.
  private static func energies(_ rows: [Float], columns: Int) -> (steps: Float, energy: Float) {
    var (steps, energy): (Float, Float) = (0, 0)
    for start in stride(from: 0, to: rows.count, by: columns) {
      var (largest, squares): (Float, Float) = (0, 0)
      for index in start..<start + columns {
        largest = max(largest, abs(rows[index]))
        squares += rows[index] * rows[index]
      }
      steps += largest * largest / (Self.steps * Self.steps)
      energy += squares
    }
    return (steps / 12, energy)
  }
}
