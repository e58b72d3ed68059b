internal import SanaGraph

/// How a step ends whose results are computed in bands: a product with gate and residual, or a
/// product, then a norm with a residual.
struct BandEnding {
  let projection: Linear
  let norm: RMSNorm?
  let output: Value
  /// Memory for a band's results of the product, where they are normalized.
  let projected: UnsafeMutablePointer<Float>
}

extension CPUExecutable {
  /// The product of a band, to its end or to where it is normalized.
  /// - Parameters:
  ///   - positions: counted through the batch, of one image.
  ///   - rows: what is multiplied, of the band.
  func project(
    _ ending: BandEnding, _ positions: Range<Int>, image: Int, from rows: UnsafePointer<Float>,
    _ layout: CPUScratch, _ scratch: UnsafeMutableRawPointer
  ) {
    let outputs = ending.projection.weight.shape[0]
    let first = positions.lowerBound * outputs
    let gate = ending.projection.epilogue.gate.map { row in
      let (gate, stride) = modulation(row, channels: outputs)
      return gate + image * stride
    }
    multiply(
      ending.projection, rows: positions.count, from: rows,
      to: ending.norm == nil ? floats(ending.output) + first : ending.projected, gate: gate,
      residual: ending.projection.epilogue.residual.map { UnsafePointer(floats($0) + first) },
      layout, scratch)
  }

  /// The norm of a band, if there is one.
  func normalize(_ ending: BandEnding, _ positions: Range<Int>) {
    guard let norm = ending.norm else { return }
    let size = shape(ending.output)
    normalize(
      self.norm(
        norm, size, input: ending.projected - positions.lowerBound * size.channels,
        output: floats(ending.output), residual: norm.residual.map(floats)), positions)
  }
}
