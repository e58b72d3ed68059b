internal import CKernels
internal import SanaGraph

extension CPUExecutable {
  func compute(_ step: CPUMultiscaleAttention, _ scratch: UnsafeMutableRawPointer) {
    let layout = device.scratch(for: step, in: graph)
    let input = shape(step.queryKeyValue)
    let scales = step.scales.map {
      sana_gathering(
        kernel: $0.gathering.kernel, weight: vector($0.gathering.weight),
        projection: matrix($0.projection.weight))
    }
    scales.withUnsafeBufferPointer { scales in
      guard let start = scales.baseAddress else { return }
      let attention = sana_multiscale_attention(
        query_key_value: floats(step.queryKeyValue), height: input.height, width: input.width,
        heads: step.heads, dimension: step.attention.headDimension, scales: start,
        scale_count: scales.count, output: floats(graph.nodes[step.nodes.upperBound].output))
      withUnsafePointer(to: attention) { attention in
        pool.forEach(input.batch * step.heads) { index, worker in
          let (batch, head) = index.quotientAndRemainder(dividingBy: step.heads)
          kernels.multiscale_attention(
            attention, batch, head,
            layout.worker(worker, at: scratch).assumingMemoryBound(to: Float.self))
        }
      }
    }
  }
}
