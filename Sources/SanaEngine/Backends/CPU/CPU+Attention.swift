internal import CKernels
internal import SanaGraph

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

extension CPUDevice {
  func scratch(for attention: ReluAttention, _ input: Shape) -> CPUScratch {
    let dimension = attention.headDimension
    return switch attention.form {
    case .linear:
      CPUScratch(
        workerFloats: kernels.relu_state_count(dimension)
          + kernels.linear_attention_scratch_count(dimension), workers: pool.size)
    case .quadratic:
      scoredScratch(
        heads: input.batch * attention.heads, keys: input.positions, dimension: dimension)
    }
  }

  func scratch(for attention: CrossAttention, keyValue: Shape) -> CPUScratch {
    scoredScratch(
      heads: keyValue.batch * attention.heads, keys: keyValue.positions,
      dimension: attention.headDimension)
  }

  func scratch(for attention: CausalAttention, _ input: Shape) -> CPUScratch {
    let keys = attention.firstPosition + input.positions
    return scoredScratch(
      heads: input.batch * attention.keyValueHeads, keys: keys,
      dimension: attention.headDimension,
      tableFloats: keys * attention.headDimension + attention.earlierFloats)
  }

  /// Packed keys and values of every head, after whatever tables the attention has.
  private func scoredScratch(
    heads: Int, keys: Int, dimension: Int, tableFloats: Int = 0
  ) -> CPUScratch {
    CPUScratch(
      sharedFloats: tableFloats + heads * kernels.attention_packed_count(keys, dimension),
      workerFloats: kernels.attention_scratch_count(keys, dimension),
      workers: pool.size)
  }
}

extension CPUExecutable {
  func compute(_ operation: ReluAttention, _ output: Value, _ scratch: UnsafeMutableRawPointer) {
    let input = shape(operation.queryKeyValue)
    let layout = device.scratch(for: operation, input)
    let (heads, dimension) = (operation.heads, operation.headDimension)
    /// The channels of a head in the input, and its batch element's first position.
    func place(_ index: Int) -> (start: UnsafePointer<Float>, query: Int, key: Int, value: Int) {
      let (batch, head) = index.quotientAndRemainder(dividingBy: heads)
      let start = UnsafePointer(
        floats(operation.queryKeyValue) + batch * input.positions * input.channels)
      let first = head * dimension
      return switch operation.layout {
      case .blocks: (start, first, (heads + head) * dimension, (2 * heads + head) * dimension)
      case .triples: (start, 3 * first, 3 * first + dimension, 3 * first + 2 * dimension)
      }
    }
    func result(_ index: Int) -> UnsafeMutablePointer<Float> {
      let (batch, head) = index.quotientAndRemainder(dividingBy: heads)
      return floats(output) + (batch * input.positions * heads + head) * dimension
    }

    switch operation.form {
    case .linear:
      pool.forEach(input.batch * heads) { index, worker in
        let head = place(index)
        var attention = sana_linear_attention(
          query: head.start + head.query, query_stride: input.channels,
          key: head.start + head.key, value: head.start + head.value,
          key_stride: input.channels, output: result(index), output_stride: heads * dimension,
          positions: input.positions, dimension: dimension)
        let state = layout.worker(worker, at: scratch).assumingMemoryBound(to: Float.self)
        let area = state + kernels.relu_state_count(dimension)
        kernels.sum_linear_attention(&attention, 0, input.positions, state, area)
        kernels.apply_linear_attention(&attention, 0, input.positions, state, area)
      }
    case .quadratic:
      let attentions = (0..<input.batch * heads).map { index in
        let head = place(index)
        return sana_attention(
          query: head.start + head.query, query_stride: input.channels,
          key: head.start + head.key, value: head.start + head.value,
          key_stride: input.channels, earlier_key: nil, earlier_value: nil, earlier_stride: 0,
          earlier_keys: 0, output: result(index), output_stride: heads * dimension,
          keys: input.positions, dimension: dimension, scores: SANA_SCORES_RELU, scale: 1,
          softcap: 0, causal: false, window: 0, cosines: nil, sines: nil)
      }
      attend(attentions, queries: input.positions, headsPerKey: 1, layout, scratch)
    }
  }

  func compute(_ operation: CrossAttention, _ output: Value, _ scratch: UnsafeMutableRawPointer) {
    let query = shape(operation.query)
    let keyValue = shape(operation.keyValue)
    let attentions = tokenCounts(operation).enumerated().flatMap { batch, tokens in
      let start = batch * query.positions * query.channels
      return heads(
        of: operation, queries: floats(operation.query) + start,
        keyValues: floats(operation.keyValue) + batch * keyValue.positions * keyValue.channels,
        tokens: tokens, stride: keyValue.channels,
        to: floats(output) + start)
    }
    attend(
      attentions, queries: query.positions, headsPerKey: 1,
      device.scratch(for: operation, keyValue: keyValue), scratch)
  }

  /// How many tokens each image attends to.
  func tokenCounts(_ operation: CrossAttention) -> [Int] {
    let all = shape(operation.keyValue).positions
    return integers(operation.tokenCounts).map { min(max(Int($0), 0), all) }
  }

  /// Cross-attention of one image, from one place in memory to another, or in place.
  /// - Parameters:
  ///   - tokens: that take part.
  ///   - stride: from a token's keys and values to the next one's.
  func attend(
    _ operation: CrossAttention, queries: UnsafePointer<Float>, count: Int,
    keyValues: UnsafePointer<Float>, tokens: Int, stride: Int,
    to output: UnsafeMutablePointer<Float>, _ layout: CPUScratch,
    _ scratch: UnsafeMutableRawPointer
  ) {
    attend(
      heads(
        of: operation, queries: queries, keyValues: keyValues, tokens: tokens, stride: stride,
        to: output), queries: count, headsPerKey: 1, layout, scratch)
  }

  private func heads(
    of operation: CrossAttention, queries: UnsafePointer<Float>, keyValues: UnsafePointer<Float>,
    tokens: Int, stride: Int, to output: UnsafeMutablePointer<Float>
  ) -> [sana_attention] {
    let (heads, dimension) = (operation.heads, operation.headDimension)
    let width = heads * dimension
    return (0..<heads).map { head in
      let first = head * dimension
      return sana_attention(
        query: queries + first, query_stride: width, key: keyValues + first,
        value: keyValues + width + first, key_stride: stride, earlier_key: nil,
        earlier_value: nil, earlier_stride: 0, earlier_keys: 0, output: output + first,
        output_stride: width, keys: tokens, dimension: dimension,
        scores: SANA_SCORES_SOFTMAX, scale: 1 / Float(dimension).squareRoot(), softcap: 0,
        causal: false, window: 0, cosines: nil, sines: nil)
    }
  }

  func compute(
    _ operation: CausalAttention, _ output: Value, _ scratch: UnsafeMutableRawPointer
  ) throws {
    let input = shape(operation.queryKeyValue)
    let (heads, keyHeads) = (operation.heads, operation.keyValueHeads)
    let (tokens, dimension) = (input.positions, operation.headDimension)
    let keys = operation.firstPosition + tokens
    let tables = scratch.assumingMemoryBound(to: Float.self)
    rotationTables(tables, tokens: keys, dimension: dimension, theta: operation.ropeTheta)
    let earlierStart = tables + keys * dimension
    let earlier = try operation.earlier.map {
      try load($0, to: earlierStart)
      return UnsafePointer(earlierStart)
    }
    let attentions = (0..<input.batch * heads).map { index in
      let (batch, head) = index.quotientAndRemainder(dividingBy: heads)
      let start = UnsafePointer(
        floats(operation.queryKeyValue) + batch * tokens * input.channels)
      let keyHead = head / (heads / keyHeads)
      return sana_attention(
        query: start + head * dimension, query_stride: input.channels,
        key: start + (heads + keyHead) * dimension,
        value: start + (heads + keyHeads + keyHead) * dimension, key_stride: input.channels,
        earlier_key: earlier.map { $0 + keyHead * dimension },
        earlier_value: earlier.map { $0 + (keyHeads + keyHead) * dimension },
        earlier_stride: 2 * keyHeads * dimension, earlier_keys: operation.firstPosition,
        output: floats(output) + (batch * tokens * heads + head) * dimension,
        output_stride: heads * dimension, keys: keys, dimension: dimension,
        scores: SANA_SCORES_SOFTMAX, scale: operation.scale, softcap: operation.softcap ?? 0,
        causal: true, window: operation.window ?? 0, cosines: tables,
        sines: tables + keys * (dimension / 2))
    }
    attend(
      attentions, queries: tokens, headsPerKey: heads / keyHeads,
      device.scratch(for: operation, input), scratch,
      packedStart: earlierStart + operation.earlierFloats)
  }

  /// Decodes keys and values of earlier positions.
  private func load(
    _ earlier: CausalAttention.EarlierPositions, to target: UnsafeMutablePointer<Float>
  ) throws {
    let weight = try weight(earlier.keyValue, rows: Array(0..<earlier.count))
    withExtendedLifetime(weight) {
      guard var matrix = weight.matrix else {
        preconditionFailure("keys and values are a matrix")
      }
      for position in 0..<matrix.rows {
        kernels.decode_row(&matrix, position, 0, matrix.columns, target + position * matrix.columns)
      }
    }
  }

  /// Cosines, then sines, `[token][dimension / 2]`. Frequency and angle are f32 numbers as in PyTorch; their rounding shows.
  private func rotationTables(
    _ tables: UnsafeMutablePointer<Float>, tokens: Int, dimension: Int, theta: Double
  ) {
    let half = dimension / 2
    let frequencies = (0..<half).map { 1 / Float(pow(theta, Double(2 * $0) / Double(dimension))) }
    pool.forEachRange(tokens, minimum: 16) { range in
      for token in range {
        for index in 0..<half {
          let angle = Double(Float(token) * frequencies[index])
          tables[token * half + index] = Float(cos(angle))
          tables[(tokens + token) * half + index] = Float(sin(angle))
        }
      }
    }
  }

  /// Packs keys and values, once for every `headsPerKey` consecutive attentions, then computes the queries.
  private func attend(
    _ attentions: [sana_attention], queries: Int, headsPerKey: Int, _ layout: CPUScratch,
    _ scratch: UnsafeMutableRawPointer, packedStart: UnsafeMutablePointer<Float>? = nil
  ) {
    guard let first = attentions.first else { return }
    // Token counts differ within a batch; the largest is a safe distance.
    let keys = attentions.reduce(first.keys) { max($0, $1.keys) }
    let stride = kernels.attention_packed_count(keys, first.dimension)
    let packed = packedStart ?? scratch.assumingMemoryBound(to: Float.self)
    let length = max(48, (queries / (2 * pool.size) + 11) / 12 * 12)
    let pieces = (queries + length - 1) / length
    attentions.withUnsafeBufferPointer { attentions in
      guard let start = attentions.baseAddress else { return }
      func area(_ worker: Int) -> UnsafeMutablePointer<Float> {
        layout.worker(worker, at: scratch).assumingMemoryBound(to: Float.self)
      }
      pool.forEach(attentions.count / headsPerKey) { index, worker in
        kernels.attention_pack(start + index * headsPerKey, packed + index * stride, area(worker))
      }
      pool.forEach(attentions.count * pieces) { index, worker in
        let (attention, piece) = index.quotientAndRemainder(dividingBy: pieces)
        kernels.attention_rows(
          start + attention, packed + attention / headsPerKey * stride, piece * length,
          min((piece + 1) * length, queries), area(worker))
      }
    }
  }
}

extension CausalAttention {
  /// Numbers of the keys and values before the first token.
  fileprivate var earlierFloats: Int { firstPosition * 2 * keyValueHeads * headDimension }
}
