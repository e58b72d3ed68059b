internal import CKernels
internal import SanaGraph

extension Convolution {
  /// Whether the products of a pixel with all taps of all outputs fill one panel of the floating-point product, and outputs alone would
  /// leave most of it empty.
  var hasFewOutputs: Bool {
    isWinograd && weight.shape[0] * kernel * kernel <= ProductTasks.panelColumns
      && weight.shape[3] >= ProductTasks.panelColumns
  }
}

extension CPUDevice {
  /// Image rows of a task of a convolution with few outputs, which computes the products of a row more above and below.
  private static let rowsOfBand = 16

  /// Scratch memory of each thread in a convolution with few outputs.
  func tapScratchBytes(_ convolution: Convolution, _ input: Shape) -> Int {
    let taps = convolution.weight.shape[0] * convolution.kernel * convolution.kernel
    let rows = min(Self.rowsOfBand + 2, input.height)
    return tapBytes(rows * input.width * taps) + convolutionScratch.workerBytes
  }

  /// Bytes in front of the product's own scratch memory.
  fileprivate func tapBytes(_ count: Int) -> Int {
    MemoryPlan.aligned(count * MemoryLayout<Float>.size)
  }

  /// The rows of tasks.
  fileprivate func bands(_ rows: Range<Int>) -> [Range<Int>] {
    let length = max(1, min(Self.rowsOfBand, (rows.count + pool.size - 1) / pool.size))
    return stride(from: rows.lowerBound, to: rows.upperBound, by: length).map {
      $0..<min($0 + length, rows.upperBound)
    }
  }
}

extension CPUExecutable {
  /// A 3x3 convolution with few outputs: every pixel times every tap, as one product with a row of weights for each output and tap, then
  /// the nine products around each pixel are added.
  /// - Parameter rows: to compute, all when nil.
  func convolveFewOutputs(
    _ operation: Convolution, _ convolution: sana_product, rows: ImageRows?, _ layout: CPUScratch,
    _ scratch: UnsafeMutableRawPointer
  ) {
    let input = shape(operation.input)
    let images = rows.map { $0.image..<$0.image + 1 } ?? 0..<input.batch
    let bands = device.bands(rows?.rows ?? 0..<input.height)
    var matrix = convolution.weight
    matrix.rows *= operation.kernel * operation.kernel
    matrix.columns = input.channels
    withUnsafePointer(to: convolution) { convolution in
      pool.forEach(images.count * bands.count) { index, worker in
        let batch = images.lowerBound + index / bands.count
        let band = index % bands.count
        let rows = bands[band]
        let read = max(0, rows.lowerBound - 1)..<min(input.height, rows.upperBound + 1)
        let positions = read.count * input.width
        let area = layout.worker(worker, at: scratch)
        let products = area.assumingMemoryBound(to: Float.self)
        var product = convolution.pointee
        product.input += (batch * input.height + read.lowerBound) * input.width * input.channels
        product.batch = 1
        product.height = 1
        product.width = positions
        product.kernel = 1
        product.top = 0
        product.left = 0
        product.rows = 1
        product.columns = positions
        product.weight = matrix
        product.output = products
        product.output_column_stride = matrix.rows
        product.epilogue = sana_epilogue()
        withUnsafePointer(to: product) {
          kernels.product(
            $0, 0, positions, 0, matrix.rows, area + device.tapBytes(positions * matrix.rows))
        }
        kernels.sum_taps(
          convolution, products, read.lowerBound, batch, rows.lowerBound, rows.upperBound)
      }
    }
  }
}
