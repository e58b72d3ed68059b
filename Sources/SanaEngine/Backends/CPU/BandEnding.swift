internal import SanaGraph

/// The nodes that a step of several ends with: a product with gate and residual, or a product, then
/// a norm with a residual.
struct BlockEnding {
  let projection: Linear
  let norm: RMSNorm?
  /// Of the product.
  let arithmetic: Arithmetic

  /// What is added last, if anything.
  var residual: Value? { norm?.residual ?? projection.epilogue.residual }

  /// How many nodes they are.
  var nodeCount: Int { norm == nil ? 1 : 2 }

  /// The product, then the norm if there is one.
  /// - Parameter nodes: of the whole step.
  func parts(of nodes: ClosedRange<Int>) -> [CPUStep.Part] {
    let product = nodes.upperBound + 1 - nodeCount
    return [CPUStep.Part(nodes: product...product, arithmetic: arithmetic)]
      + (norm == nil
        ? [] : [CPUStep.Part(nodes: nodes.upperBound...nodes.upperBound, arithmetic: .f32)])
  }
}

extension CPUDevice {
  /// - Parameter pattern: ends at the position, and takes the product in where a norm ends it.
  func blockEnding(
    _ graph: Graph, _ forms: CPUWeightForms, endingAt position: Int, _ pattern: inout NodePattern
  ) -> BlockEnding? {
    let last = graph.nodes[position].operation
    let norm = last.wholeNorm
    guard let projection = (norm.map { pattern.take($0.input) } ?? last)?.linear,
      norm == nil || projection.epilogue.inputs.isEmpty
    else { return nil }
    return BlockEnding(
      projection: projection, norm: norm, arithmetic: arithmetic(of: .linear(projection), forms))
  }
}

/// Where the ending of a step goes whose results are computed in bands.
struct BandEnding {
  let nodes: BlockEnding
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
    let outputs = ending.nodes.projection.weight.shape[0]
    let first = positions.lowerBound * outputs
    let gate = ending.nodes.projection.epilogue.gate.map { row in
      let (gate, stride) = modulation(row, channels: outputs)
      return gate + image * stride
    }
    multiply(
      ending.nodes.projection, rows: positions.count, from: rows,
      to: ending.nodes.norm == nil ? floats(ending.output) + first : ending.projected, gate: gate,
      residual: ending.nodes.projection.epilogue.residual.map { UnsafePointer(floats($0) + first) },
      layout, scratch)
  }

  /// The norm of a band, if there is one.
  func normalize(_ ending: BandEnding, _ positions: Range<Int>) {
    guard let norm = ending.nodes.norm else { return }
    let size = shape(ending.output)
    normalize(
      self.norm(
        norm, size, input: ending.projected - positions.lowerBound * size.channels,
        output: floats(ending.output), residual: norm.residual.map(floats)), positions)
  }
}
