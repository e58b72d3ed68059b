internal import CKernels
internal import SanaGraph

/// Working memory of a node: an area for all threads and one for each.
struct CPUScratch {
  /// Bytes that all threads share.
  let sharedBytes: Int
  /// Bytes of each thread.
  let workerBytes: Int
  let byteCount: Int

  init(sharedBytes: Int = 0, workerBytes: Int = 0, workers: Int) {
    self.sharedBytes = MemoryPlan.aligned(sharedBytes)
    self.workerBytes = MemoryPlan.aligned(workerBytes)
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
  func scratch(for node: Node, in graph: Graph, _ forms: CPUWeightForms) -> CPUScratch {
    switch node.operation {
    case .linear(let linear):
      scratch(
        for: linear, graph[linear.input].shape, planes: forms.planes(of: linear),
        multipliesStoredCodes: forms.isOfStoredCodes(linear.weight, in: node.operation))
    case .groupedLinear:
      convolutionScratch
    case .convolution(let convolution):
      scratch(for: convolution, graph[convolution.input].shape)
    case .upsampleConvolution(let convolution):
      scratch(for: SANA_CONVOLUTION_UPSAMPLE, convolution.weight)
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

  /// Of a linear layer that may turn out to be one of int8 activations.
  /// - Parameters:
  ///   - planes: of the codes of its input.
  ///   - multipliesStoredCodes: whether it packs some of its weight's codes at a time.
  func scratch(
    for linear: Linear, _ input: Shape, planes: Int, multipliesStoredCodes: Bool = false
  ) -> CPUScratch {
    let int8Bytes =
      multipliesStoredCodes
      ? kernels.int8_stored_scratch_bytes(input.channels) : kernels.int8_scratch_bytes()
    return CPUScratch(
      sharedBytes: quantizedBytes(
        rows: min(input.rows, Self.quantizedRowsAtOnce), columns: input.channels, planes: planes),
      workerBytes: max(productScratchBytes, int8Bytes), workers: pool.size)
  }

  /// Heads of a task of int8 attention: two read every position's codes half as often as one.
  static let headsOfTask = 2

  /// Linear layers quantize this many rows at once, which bounds the memory for their codes.
  static let quantizedRowsAtOnce = 2048

  func quantizedBytes(rows: Int, columns: Int, planes: Int) -> Int {
    kernels.int8_row_count(rows)
      * (kernels.int8_row_bytes(columns) * planes + MemoryLayout<Float>.size)
  }

  /// Codes, then scales, at the beginning of a scratch area.
  /// - Parameter coding: of the weight that the rows are to be multiplied with.
  func quantizedRows(
    _ range: Range<Int>, columns: Int, _ coding: sana_row_coding,
    at start: UnsafeMutableRawPointer
  ) -> sana_int8_rows {
    let codeBytes =
      kernels.int8_row_count(range.count) * kernels.int8_row_bytes(columns) * coding.planes
    return sana_int8_rows(
      codes: start, scales: (start + codeBytes).assumingMemoryBound(to: Float.self),
      coding: coding, columns: columns, first: range.lowerBound)
  }

  func scratch(for convolution: Convolution, _ input: Shape) -> CPUScratch {
    let scratch =
      convolution.isWinograd
      ? scratch(for: SANA_CONVOLUTION_WINOGRAD, convolution.weight) : convolutionScratch
    // It may turn out to be int8.
    return convolution.hasFewOutputs
      ? CPUScratch(
        workerBytes: max(scratch.workerBytes, tapScratchBytes(convolution, input)),
        workers: pool.size) : scratch
  }

  /// - Parameter weight: of a convolution, which may turn out to be int8.
  func scratch(for form: sana_convolution_form, _ weight: Parameter) -> CPUScratch {
    CPUScratch(
      workerBytes: max(
        productScratchBytes, kernels.winograd_scratch_bytes,
        kernels.convolution(form, weight.shape[3]).pointee.scratch_bytes(form, weight.shape[3])),
      workers: pool.size)
  }

  /// Of a thread in a floating-point product, whatever its weight is stored in.
  private var productScratchBytes: Int {
    max(kernels.product_scratch_bytes, bf16?.product_scratch_bytes ?? 0)
  }

  /// Of floating-point products and convolutions.
  var convolutionScratch: CPUScratch {
    CPUScratch(
      workerBytes: max(productScratchBytes, kernels.winograd_scratch_bytes),
      workers: pool.size)
  }
}
