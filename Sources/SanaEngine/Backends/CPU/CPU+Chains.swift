internal import CKernels
internal import SanaGraph

extension CPUExecutable {
  /// Computes the nodes of a chain as one.
  /// - Parameter arithmetic: int8, of a weight that is packed for it, or bf16 of a feed-forward.
  func compute(
    _ chain: CPUChain, _ arithmetic: Arithmetic, _ scratch: UnsafeMutableRawPointer
  ) {
    let output = graph.nodes[chain.nodes.upperBound].output
    if arithmetic == .bf16, case .feedForward(let convolution) = chain.form {
      return feedForward(rounding: chain, convolution, output, scratch)
    }
    guard let weight = int8Matrix(chain.linear.weight) else {
      preconditionFailure("\(chain.linear.weight.name) is not packed")
    }
    switch chain.form {
    case .product: multiply(chain.linear, chain.norm, weight, output, scratch)
    case .attention(let attention, let norms):
      attend(chain, attention, norms, weight, output, scratch)
    case .feedForward(let convolution): feedForward(chain, convolution, weight, output, scratch)
    }
  }

  /// Quantizes rows of a product's input, normalized where there is a norm.
  /// - Parameter factors: those of the weight.
  func quantize(
    _ range: Range<Int>, of input: Value, _ norm: ModulatedLayerNorm? = nil,
    factors: UnsafePointer<Float>? = nil, to scratch: UnsafeMutableRawPointer
  ) -> sana_int8_rows {
    let size = shape(input)
    guard let norm else {
      return quantize(
        range, of: floats(input), columns: size.channels, factors: factors, to: scratch)
    }
    let rows = device.quantizedRows(
      range, columns: size.channels, factors: factors, at: scratch)
    let layer = layerNorm(norm, size, output: scratch.assumingMemoryBound(to: Float.self))
    withUnsafePointer(to: rows) { rows in
      withUnsafePointer(to: layer) { layer in
        pool.forEachRange(range.count, minimum: 16) {
          kernels.layer_norm_int8(
            layer, rows, range.lowerBound + $0.lowerBound, range.lowerBound + $0.upperBound)
        }
      }
    }
    return rows
  }

  /// Quantizes rows as they are.
  /// - Parameter start: of the first row, whether it is in the range or not.
  func quantize(
    _ range: Range<Int>, of start: UnsafePointer<Float>, columns: Int,
    factors: UnsafePointer<Float>?, to scratch: UnsafeMutableRawPointer
  ) -> sana_int8_rows {
    let rows = device.quantizedRows(range, columns: columns, factors: factors, at: scratch)
    withUnsafePointer(to: rows) { rows in
      pool.forEachRange(range.count, minimum: 16) {
        kernels.quantize_int8(
          start, columns, rows, range.lowerBound + $0.lowerBound, range.lowerBound + $0.upperBound
        )
      }
    }
    return rows
  }

  private func attend(
    _ chain: CPUChain, _ attention: ReluAttention, _ norms: CPUChain.QueryKeyNorms?,
    _ weight: sana_int8_matrix, _ output: Value, _ scratch: UnsafeMutableRawPointer
  ) {
    let size = shape(chain.input)
    let layout = device.scratch(for: chain, .int8, size)
    let rows = quantize(
      0..<size.rows, of: chain.input, chain.norm, factors: weight.factors, to: scratch)
    let (heads, length) = (attention.heads, CPUDevice.headsOfTask)
    let pieces = (heads + length - 1) / length
    let keys = norms.map {
      normalizedKeys(
        $0.key, size, shape(output), weight, rows,
        (scratch + device.keysOffset(size)).assumingMemoryBound(to: Float.self), layout, scratch)
    }
    withUnsafePointer(to: rows) { rows in
      withUnsafePointer(to: weight) { weight in
        let layer = sana_int8_relu_attention(
          rows: rows, weights: weight, heads: heads, dimension: attention.headDimension,
          positions: size.positions, query_weight: norms?.query.weight.map(vector), keys: keys,
          output: floats(output))
        withUnsafePointer(to: layer) { layer in
          pool.forEach(size.batch * pieces) { index, worker in
            let (batch, piece) = index.quotientAndRemainder(dividingBy: pieces)
            kernels.relu_attention_int8(
              layer, batch, piece * length, min((piece + 1) * length, heads),
              layout.worker(worker, at: scratch).assumingMemoryBound(to: Float.self))
          }
        }
      }
    }
  }

  /// The keys of a fused product of queries, keys and values.
  /// - Parameter size: of the keys.
  private func normalizedKeys(
    _ operation: RMSNorm, _ input: Shape, _ size: Shape, _ weight: sana_int8_matrix,
    _ rows: sana_int8_rows, _ keys: UnsafeMutablePointer<Float>, _ layout: CPUScratch,
    _ scratch: UnsafeMutableRawPointer
  ) -> UnsafePointer<Float> {
    let width = size.channels
    // The product counts its outputs from the first query on.
    let product = product(
      input, size, from: keys, to: keys - width, nil, sana_epilogue())
    multiply(product, weight, rows, 0..<size.rows, columns: width..<2 * width, layout, scratch)
    var norm = norm(operation, size, input: keys, output: keys, residual: nil)
    norm.first = 0
    withUnsafePointer(to: norm) { norm in
      pool.forEachRange(size.rows, minimum: 16) {
        kernels.rms_norm(norm, $0.lowerBound, $0.upperBound)
      }
    }
    return UnsafePointer(keys)
  }
}
