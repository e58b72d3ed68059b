internal import CKernels

/// Working memory of a node: an area for all threads and one for each.
struct CPUScratch {
  /// Bytes that all threads share.
  let sharedBytes: Int
  /// Bytes of each thread.
  let workerBytes: Int
  let byteCount: Int

  init(sharedBytes: Int = 0, workerBytes: Int = 0, workers: Int) {
    func aligned(_ bytes: Int) -> Int {
      (bytes + MemoryPlan.alignment - 1) / MemoryPlan.alignment * MemoryPlan.alignment
    }
    self.sharedBytes = aligned(sharedBytes)
    self.workerBytes = aligned(workerBytes)
    byteCount = self.sharedBytes + self.workerBytes * workers
  }

  init(sharedFloats: Int = 0, workerFloats: Int, workers: Int) {
    let size = MemoryLayout<Float>.size
    self.init(
      sharedBytes: sharedFloats * size, workerBytes: workerFloats * size, workers: workers)
  }

  /// The area of one thread in scratch memory that begins at `start`.
  func worker(_ worker: Int, at start: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
    start + sharedBytes + worker * workerBytes
  }
}

extension CPUDevice {
  /// What a node needs, whatever the encoding of its weights.
  func scratch(for node: Node, in graph: Graph) -> CPUScratch {
    switch node.operation {
    case .linear(let linear):
      productScratch(columns: linear.weight.shape[1])
    case .groupedLinear, .convolution, .upsampleConvolution:
      convolutionScratch
    case .reluAttention(let attention):
      scratch(for: attention, graph[attention.queryKeyValue].shape)
    case .crossAttention(let attention):
      scratch(for: attention, keyValue: graph[attention.keyValue].shape)
    case .causalAttention(let attention):
      scratch(for: attention, graph[attention.queryKeyValue].shape)
    default:
      CPUScratch(workers: pool.size)
    }
  }

  /// - Parameter columns: of a linear layer's weight, which may turn out to be int8.
  func productScratch(columns: Int) -> CPUScratch {
    CPUScratch(
      workerBytes: max(kernels.product_scratch_bytes, kernels.int8_scratch_bytes(columns)),
      workers: pool.size)
  }

  var convolutionScratch: CPUScratch {
    CPUScratch(
      workerBytes: max(kernels.product_scratch_bytes, kernels.winograd_scratch_bytes),
      workers: pool.size)
  }
}
