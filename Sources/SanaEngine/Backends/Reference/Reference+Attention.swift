internal import SanaGraph

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

extension ReferenceExecutable {
  func compute(_ operation: ReluAttention, _ output: ReferenceActivation) {
    let input = activation(operation.queryKeyValue)
    let (positions, dimension) = (input.shape.positions, operation.headDimension)
    for batch in 0..<input.shape.batch {
      let rows = (0..<positions).map { input.channels(row: batch * positions + $0) }
      for head in 0..<operation.heads {
        let starts = operation.channelStarts(head: head)
        let queries = rows.map { $0[starts.query..<starts.query + dimension].map { max($0, 0) } }
        let keys = rows.map { $0[starts.key..<starts.key + dimension].map { max($0, 0) } }
        let values = rows.map { Array($0[starts.value..<starts.value + dimension]) }
        let results =
          switch operation.form {
          case .linear: linearAttention(queries, keys, values)
          case .quadratic: quadraticAttention(queries, keys, values)
          }
        for (position, result) in results.enumerated() {
          for channel in 0..<dimension {
            output[row: batch * positions + position, head * dimension + channel] = result[channel]
          }
        }
      }
    }
  }

  /// `relu(q) (relu(k)^T v) / (relu(q) (relu(k)^T 1) + 1e-15)`
  private func linearAttention(
    _ queries: [[Double]], _ keys: [[Double]], _ values: [[Double]]
  ) -> [[Double]] {
    let dimension = queries.first?.count ?? 0
    var keyValues = [Double](repeating: 0, count: dimension * dimension)
    var keySum = [Double](repeating: 0, count: dimension)
    for (key, value) in zip(keys, values) {
      for row in 0..<dimension {
        keySum[row] += key[row]
        for column in 0..<dimension {
          keyValues[row * dimension + column] += key[row] * value[column]
        }
      }
    }
    return queries.map { query in
      let denominator = dot(query, 0, keySum, 0, count: dimension) + 1e-15
      return (0..<dimension).map { column in
        var sum = 0.0
        for row in 0..<dimension { sum += query[row] * keyValues[row * dimension + column] }
        return sum / denominator
      }
    }
  }

  private func quadraticAttention(
    _ queries: [[Double]], _ keys: [[Double]], _ values: [[Double]]
  ) -> [[Double]] {
    let dimension = queries.first?.count ?? 0
    return queries.map { query in
      let scores = keys.map { dot(query, 0, $0, 0, count: dimension) }
      let denominator = scores.reduce(0, +) + 1e-15
      return weightedSum(values, scores.map { $0 / denominator }, dimension: dimension)
    }
  }

  func compute(_ operation: CrossAttention, _ output: ReferenceActivation) {
    let query = activation(operation.query)
    let keyValue = activation(operation.keyValue)
    let (tokens, dimension) = (keyValue.shape.positions, operation.headDimension)
    let width = operation.heads * dimension
    let scale = 1 / Double(dimension).squareRoot()
    for (batch, tokenCount) in integers(operation.tokenCounts).enumerated() {
      let rows = (0..<min(max(Int(tokenCount), 0), tokens)).map {
        keyValue.channels(row: batch * tokens + $0)
      }
      for head in 0..<operation.heads {
        let start = head * dimension
        let keys = rows.map { Array($0[start..<start + dimension]) }
        let values = rows.map { Array($0[width + start..<width + start + dimension]) }
        for row in batch * query.shape.positions..<(batch + 1) * query.shape.positions {
          let channels = query.channels(row: row)
          let scores = keys.map { dot(channels, start, $0, 0, count: dimension) * scale }
          let result = weightedSum(values, softmax(scores), dimension: dimension)
          for channel in 0..<dimension { output[row: row, start + channel] = result[channel] }
        }
      }
    }
  }

  func compute(_ operation: CausalAttention, _ output: ReferenceActivation) throws {
    let input = activation(operation.queryKeyValue)
    let (tokens, dimension) = (input.shape.positions, operation.headDimension)
    let queriesPerKey = operation.heads / operation.keyValueHeads
    let keyStart = operation.heads * dimension
    let keyValueWidth = 2 * operation.keyValueHeads * dimension
    let earlier = try earlierKeyValues(operation)
    for batch in 0..<input.shape.batch {
      let rows = (0..<tokens).map { input.channels(row: batch * tokens + $0) }
      // Of all positions: keys, then values.
      let keyValues =
        earlier + rows.map { Array($0[keyStart..<keyStart + keyValueWidth]) }
      func rotated(_ vectors: [[Double]], start: Int, firstPosition: Int) -> [[Double]] {
        vectors.enumerated().map { index, vector in
          rotate(
            vector[start..<start + dimension], position: firstPosition + index,
            theta: operation.ropeTheta)
        }
      }
      for keyHead in 0..<operation.keyValueHeads {
        let keys = rotated(keyValues, start: keyHead * dimension, firstPosition: 0)
        let start = (operation.keyValueHeads + keyHead) * dimension
        let values = keyValues.map { Array($0[start..<start + dimension]) }
        for head in keyHead * queriesPerKey..<(keyHead + 1) * queriesPerKey {
          let queries = rotated(rows, start: head * dimension, firstPosition: earlier.count)
          for (token, query) in queries.enumerated() {
            let position = earlier.count + token
            let first = operation.window.map { max(0, position - $0 + 1) } ?? 0
            let scores = (first...position).map { other in
              let score = dot(query, 0, keys[other], 0, count: dimension) * Double(operation.scale)
              guard let softcap = operation.softcap.map(Double.init) else { return score }
              return softcap * tanh(score / softcap)
            }
            let result = weightedSum(
              values[first...position], softmax(scores), dimension: dimension)
            for channel in 0..<dimension {
              output[row: batch * tokens + token, head * dimension + channel] = result[channel]
            }
          }
        }
      }
    }
  }

  /// Keys and values of the positions before the first token.
  private func earlierKeyValues(_ operation: CausalAttention) throws -> [[Double]] {
    guard let earlier = operation.earlier else { return [] }
    let values = try weight(earlier.keyValue, rows: Array(0..<earlier.count)).values
    let width = earlier.keyValue.shape[1]
    return (0..<earlier.count).map { Array(values[$0 * width..<($0 + 1) * width]) }
  }

  /// Rotary position embedding: the pair `(x[i], x[i + d / 2])` turned by `position * theta^(-2 i / d)`. The angle is a product of f32
  /// numbers, as in PyTorch: at position 500 the rounding of the angle is what a trace shows most.
  private func rotate(_ channels: ArraySlice<Double>, position: Int, theta: Double) -> [Double] {
    let input = Array(channels)
    let half = input.count / 2
    var output = input
    for index in 0..<half {
      let frequency = 1 / Float(pow(theta, Double(2 * index) / Double(input.count)))
      let angle = Double(Float(position) * frequency)
      output[index] = input[index] * cos(angle) - input[index + half] * sin(angle)
      output[index + half] = input[index + half] * cos(angle) + input[index] * sin(angle)
    }
    return output
  }

  private func softmax(_ scores: [Double]) -> [Double] {
    let greatest = scores.max() ?? 0
    let exponentials = scores.map { exp($0 - greatest) }
    let sum = exponentials.reduce(0, +)
    return exponentials.map { $0 / sum }
  }

  private func weightedSum(
    _ vectors: some Collection<[Double]>, _ weights: [Double], dimension: Int
  ) -> [Double] {
    var sum = [Double](repeating: 0, count: dimension)
    for (vector, weight) in zip(vectors, weights) {
      for index in 0..<dimension { sum[index] += vector[index] * weight }
    }
    return sum
  }
}

extension ReluAttention {
  /// The first channel of a head's query, key and value.
  fileprivate func channelStarts(head: Int) -> (query: Int, key: Int, value: Int) {
    switch layout {
    case .blocks:
      let width = heads * headDimension
      return (
        head * headDimension, width + head * headDimension, 2 * width + head * headDimension
      )
    case .triples:
      return (
        3 * head * headDimension, (3 * head + 1) * headDimension, (3 * head + 2) * headDimension
      )
    }
  }
}
