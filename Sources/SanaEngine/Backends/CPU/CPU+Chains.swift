internal import CKernels
internal import SanaGraph

extension CPUExecutable {
  /// Computes the nodes of a chain as one.
  func compute(_ chain: CPUChain, _ scratch: UnsafeMutableRawPointer) {
    let output = graph.nodes[chain.nodes.upperBound].output
    guard let weight = int8Matrix(chain.linear.weight) else {
      preconditionFailure("\(chain.linear.weight.name) is not packed")
    }
    multiply(chain.linear, chain.norm, weight, output, scratch)
  }

  /// Quantizes rows of a product's input, normalized where there is a norm.
  /// - Parameter coding: that of the weight.
  func quantize(
    _ range: Range<Int>, of input: Value, _ norm: ModulatedLayerNorm? = nil,
    _ coding: sana_row_coding, to scratch: UnsafeMutableRawPointer
  ) -> sana_int8_rows {
    let size = shape(input)
    guard let norm else {
      return quantize(
        range, of: floats(input), columns: size.channels, coding, to: scratch)
    }
    let rows = device.quantizedRows(
      range, columns: size.channels, coding, at: scratch)
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
    _ coding: sana_row_coding, to scratch: UnsafeMutableRawPointer
  ) -> sana_int8_rows {
    let rows = device.quantizedRows(range, columns: columns, coding, at: scratch)
    withUnsafePointer(to: rows) { rows in
      pool.forEachRange(range.count, minimum: 16) {
        kernels.quantize_int8(
          start, columns, rows, range.lowerBound + $0.lowerBound, range.lowerBound + $0.upperBound
        )
      }
    }
    return rows
  }
}
