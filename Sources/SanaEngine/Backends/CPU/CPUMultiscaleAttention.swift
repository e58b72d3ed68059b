internal import SanaGraph

/// ReLU attention by sums over the scales of DC-AE (`SanaMultiscaleLinearAttention`), with the convolutions and products that make
/// the scales: a head is computed at all scales at once, and what is gathered is never whole in memory.
///
/// Results are those of the nodes, bit for bit, unless the products of the scales have bf16 weights and the processor multiplies those
/// in bf16: here they are multiplied in f32.
struct CPUMultiscaleAttention {
  struct Scale {
    let gathering: DepthwiseConvolution
    let projection: GroupedLinear
  }

  /// At the scale of the image.
  let queryKeyValue: Value
  /// The other scales.
  let scales: [Scale]
  let attention: ReluAttention
  /// Positions of the nodes in the graph: convolution and product of each scale, concatenation, attention.
  let nodes: ClosedRange<Int>

  /// Of each scale.
  var heads: Int { attention.heads / (1 + scales.count) }
  var largestKernel: Int { scales.map(\.gathering.kernel).max() ?? 1 }
}

extension CPUDevice {
  /// The attention over several scales that ends at a node.
  /// - Parameter readers: how many inputs each value is.
  func multiscaleAttention(
    _ graph: Graph, _ readers: [Int], endingAt position: Int
  ) -> CPUMultiscaleAttention? {
    guard graph.fusion == .full,
      case .reluAttention(let attention) = graph.nodes[position].operation,
      attention.form == .linear, attention.layout == .triples,
      graph.makes(attention.queryKeyValue, at: position - 1, readers: readers),
      case .concatenateChannels(let concatenation) = graph.nodes[position - 1].operation,
      concatenation.parts.count >= 2, let queryKeyValue = concatenation.parts.first,
      attention.heads % concatenation.parts.count == 0
    else { return nil }
    let scaleCount = concatenation.parts.count - 1
    let first = position - 1 - 2 * scaleCount
    let channels = 3 * attention.heads / (1 + scaleCount) * attention.headDimension
    guard graph[queryKeyValue].shape.channels == channels else { return nil }

    var scales: [CPUMultiscaleAttention.Scale] = []
    for (index, part) in concatenation.parts.dropFirst().enumerated() {
      let node = first + 2 * index
      guard graph.makes(part, at: node + 1, readers: readers),
        case .groupedLinear(let projection) = graph.nodes[node + 1].operation,
        projection.weight.access == .whole,
        projection.weight.shape == [channels, attention.headDimension],
        graph.makes(projection.input, at: node, readers: readers),
        case .depthwiseConvolution(let gathering) = graph.nodes[node].operation,
        gathering.input == queryKeyValue, gathering.bias == nil, !gathering.gatedLinearUnit,
        kernels.has_multiscale_attention(attention.headDimension, gathering.kernel)
      else { return nil }
      scales.append(
        CPUMultiscaleAttention.Scale(gathering: gathering, projection: projection))
    }
    return CPUMultiscaleAttention(
      queryKeyValue: queryKeyValue, scales: scales, attention: attention, nodes: first...position)
  }

  func scratch(for step: CPUMultiscaleAttention, in graph: Graph) -> CPUScratch {
    CPUScratch(
      workerFloats: kernels.multiscale_attention_scratch_count(
        step.attention.headDimension, graph[step.queryKeyValue].shape.width, step.largestKernel,
        step.scales.count), workers: pool.size)
  }
}
