internal import CKernels
internal import SanaGraph

extension CPUExecutable {
  func compute(_ operation: Linear, _ output: Value, _ scratch: UnsafeMutableRawPointer) {
    if let (codes, coding) = storedCodes(operation.weight) {
      multiplyCodes(operation, codes, coding, output, scratch)
    } else if let int8Matrix = int8Matrix(operation.weight) {
      multiply(operation, nil, int8Matrix, output, scratch)
    } else {
      multiply(operation, matrix(operation.weight), output, scratch)
    }
  }

  /// A product in floating point.
  func multiply(
    _ operation: Linear, _ weight: sana_matrix, _ output: Value, _ scratch: UnsafeMutableRawPointer
  ) {
    let layout = device.scratch(for: operation, shape(operation.input), planes: 1)
    let area = Area(layout: layout, start: scratch)
    let product = linear(operation, weight, output)
    if shape(output).rows <= kernels.few_rows {
      multiplyFew(product, area)
    } else {
      multiply([product], area)
    }
  }

  func compute(_ operation: GroupedLinear, _ output: Value, _ scratch: UnsafeMutableRawPointer) {
    let area = Area(layout: device.convolutionScratch, start: scratch)
    let weight = matrix(operation.weight)
    let outputs = weight.rows / operation.groups
    let products = (0..<operation.groups).map { group in
      var product = linear(
        operation.input, output, weight.rows(from: group * outputs, count: outputs),
        sana_epilogue())
      product.input += group * weight.columns
      product.output += group * outputs
      product.channels = weight.columns
      return product
    }
    multiply(products, area)
  }

  func compute(_ operation: Convolution, _ output: Value, _ scratch: UnsafeMutableRawPointer) {
    convolve(
      operation, shape(output), from: floats(operation.input), to: floats(output),
      device.scratch(for: operation, shape(operation.input)), scratch)
  }

  /// A convolution of one place in memory into another.
  /// - Parameters:
  ///   - size: of the output.
  ///   - rows: of the output, all when nil. Only those, and the rows of the input that they read, must be in memory.
  func convolve(
    _ operation: Convolution, _ size: Shape, from input: UnsafeMutablePointer<Float>,
    to output: UnsafeMutablePointer<Float>, rows: ImageRows? = nil, _ layout: CPUScratch,
    _ scratch: UnsafeMutableRawPointer
  ) {
    let source = shape(operation.input)
    let epilogue = epilogue(operation.epilogue, channels: size.channels)
    if let matrix = int8Matrix(operation.weight) {
      let layer = sana_convolution(
        form: SANA_CONVOLUTION_WINOGRAD, input: input, batch: source.batch,
        height: source.height, width: source.width, channels: source.channels, weight: matrix,
        output: output, outputs: size.channels, has_shortcut: false, epilogue: epilogue)
      return convolve(layer, size, rows: rows, layout, scratch)
    }
    let weight = matrix(operation.weight)
    var product = product(source, size, from: input, to: output, weight, epilogue)
    product.height = source.height
    product.width = source.width
    product.kernel = operation.kernel
    product.stride = operation.stride
    product.top = operation.padding
    product.left = operation.padding
    product.rows = size.height
    product.columns = size.width
    product.output_row_stride = size.width * size.channels
    if operation.hasFewOutputs, weight.scales == nil {
      return convolveFewOutputs(operation, product, rows: rows, layout, scratch)
    }
    multiply([product], part: rows.map { ($0, size) }, Area(layout: layout, start: scratch))
  }

  func compute(
    _ operation: UpsampleConvolution, _ output: Value, _ scratch: UnsafeMutableRawPointer
  ) {
    upsample(
      operation, shape(output), from: floats(operation.input), to: floats(output),
      device.scratch(for: SANA_CONVOLUTION_UPSAMPLE, operation.weight), scratch)
  }

  /// An upsampling convolution of one place in memory into another.
  /// - Parameters:
  ///   - size: of the output.
  ///   - shortcut: whether the shortcut of the same input is added, which takes a weight for int8 activations.
  ///   - rows: of the output, in pairs, all when nil. Only those, and the rows of the input that they read, must be in memory.
  func upsample(
    _ operation: UpsampleConvolution, _ size: Shape, shortcut: Bool = false,
    from input: UnsafeMutablePointer<Float>, to output: UnsafeMutablePointer<Float>,
    rows: ImageRows? = nil, _ layout: CPUScratch, _ scratch: UnsafeMutableRawPointer
  ) {
    let source = shape(operation.input)
    let epilogue = epilogue(operation.epilogue, channels: size.channels)
    if let matrix = int8Matrix(operation.weight) {
      let layer = sana_convolution(
        form: SANA_CONVOLUTION_UPSAMPLE, input: input, batch: source.batch,
        height: source.height, width: source.width, channels: source.channels, weight: matrix,
        output: output, outputs: size.channels, has_shortcut: shortcut, epilogue: epilogue)
      return convolve(layer, size, rows: rows, layout, scratch)
    }
    let weight = matrix(operation.weight)
    let phases = (0..<4).map { phase in
      let (y, x) = phase.quotientAndRemainder(dividingBy: 2)
      var product = product(
        source, size, from: input, to: output,
        weight.rows(from: phase * operation.outputs, count: operation.outputs), epilogue)
      product.height = source.height
      product.width = source.width
      product.kernel = 2
      product.top = 1 - y
      product.left = 1 - x
      product.rows = source.height
      product.columns = source.width
      product.output_row_stride = 2 * size.width * size.channels
      product.output_column_stride = 2 * size.channels
      let offset = (y * size.width + x) * size.channels
      product.output += offset
      product.epilogue.residual = product.epilogue.residual.map { $0 + offset }
      return product
    }
    let part = rows.map {
      (
        rows: ImageRows(image: $0.image, rows: $0.rows.lowerBound / 2..<$0.rows.upperBound / 2),
        size: source
      )
    }
    multiply(phases, part: part, Area(layout: layout, start: scratch))
  }

  // MARK: Descriptions

  /// Scratch memory of a product.
  private struct Area {
    let layout: CPUScratch
    let start: UnsafeMutableRawPointer

    func worker(_ worker: Int) -> UnsafeMutableRawPointer { layout.worker(worker, at: start) }
  }

  /// A linear layer by itself.
  func linear(_ operation: Linear, _ weight: sana_matrix, _ output: Value) -> sana_product {
    linear(
      operation.input, output, weight,
      epilogue(operation.epilogue, channels: shape(output).channels))
  }

  /// - Parameter weight: nil where an int8 matrix takes its place.
  private func linear(
    _ input: Value, _ output: Value, _ weight: sana_matrix?, _ epilogue: sana_epilogue
  ) -> sana_product {
    product(
      shape(input), shape(output), from: floats(input), to: floats(output), weight, epilogue)
  }

  /// A linear layer of one place in memory into another.
  func product(
    _ source: Shape, _ size: Shape, from input: UnsafePointer<Float>,
    to output: UnsafeMutablePointer<Float>, _ weight: sana_matrix?, _ epilogue: sana_epilogue
  ) -> sana_product {
    let none = sana_matrix(
      encoding: SANA_ENCODING_F32, values: UnsafeRawPointer(input), scales: nil, rows: 0,
      columns: 0, group_size: 0)
    return sana_product(
      input: input, batch: source.batch, height: 1, width: source.positions,
      channels: source.channels, input_stride: source.channels, kernel: 1, stride: 1, top: 0,
      left: 0, rows: 1, columns: source.positions, weight: weight ?? none, output: output,
      output_batch_stride: size.positions * size.channels, output_row_stride: 0,
      output_column_stride: size.channels, epilogue: epilogue)
  }

  private func epilogue(_ epilogue: Epilogue, channels: Int) -> sana_epilogue {
    let gate = epilogue.gate.map { modulation($0, channels: channels) }
    return sana_epilogue(
      bias: epilogue.bias.map(vector), activation: epilogue.activation.kernelActivation,
      gate: gate?.0, gate_stride: gate?.stride ?? 0,
      residual: epilogue.residual.map { UnsafePointer(floats($0)) })
  }

  // MARK: Running

  /// Products of the same size.
  /// - Parameter part: rows to compute, of an output of this size; all when nil.
  private func multiply(
    _ products: [sana_product], part: (rows: ImageRows, size: Shape)? = nil, _ area: Area
  ) {
    guard let first = products.first, part?.rows.rows.isEmpty != true else { return }
    let usesTiles = withUnsafePointer(to: first) { kernels.has_winograd($0) }
    let size = Shape(
      batch: first.batch, height: first.rows, width: first.columns, channels: first.weight.rows)
    // Rows of the task are positions, or tiles of 2x2 positions.
    let range =
      usesTiles
      ? part.map { $0.rows.tiles($0.size, side: 2) } ?? ImageRows.tiles(ofAll: size, side: 2)
      : part.map { $0.rows.positions($0.size) } ?? 0..<size.rows
    let tasks =
      usesTiles
      ? ProductTasks.tiles(
        rows: range.count, columns: first.weight.rows, depth: 16 * first.channels,
        threads: pool.size)
      : ProductTasks.floatingPoint(
        rows: range.count, columns: first.weight.rows, depth: first.weight.columns,
        threads: pool.size)
    let kernel =
      usesTiles ? kernels.winograd : device.bf16(for: first.weight)?.product ?? kernels.product
    products.withUnsafeBufferPointer { products in
      guard let start = products.baseAddress else { return }
      pool.forEach(products.count * tasks.count) { index, worker in
        let (product, task) = index.quotientAndRemainder(dividingBy: tasks.count)
        let ranges = tasks[task]
        kernel(
          start + product, range.lowerBound + ranges.rows.lowerBound,
          range.lowerBound + ranges.rows.upperBound, ranges.columns.lowerBound,
          ranges.columns.upperBound, area.worker(worker))
      }
    }
  }

  private func multiplyFew(_ product: sana_product, _ area: Area) {
    withUnsafePointer(to: product) { product in
      let columns = product.pointee.weight.rows
      let length = max(16, (columns / (8 * pool.size) + 3) / 4 * 4)
      pool.forEach((columns + length - 1) / length) { index, worker in
        kernels.product_few(
          product, index * length, min((index + 1) * length, columns), area.worker(worker))
      }
    }
  }

  /// A product of int8 activations, normalized before they are quantized where there is a norm.
  func multiply(
    _ operation: Linear, _ norm: ModulatedLayerNorm?, _ weight: sana_int8_matrix, _ output: Value,
    _ scratch: UnsafeMutableRawPointer
  ) {
    let input = norm?.input ?? operation.input
    let size = shape(input)
    let layout = device.scratch(for: operation, size, planes: weight.coding.planes)
    let product = linear(
      input, output, nil, epilogue(operation.epilogue, channels: shape(output).channels))
    multiply(product, weight, rows: size.rows, layout, scratch) {
      quantize($0, of: input, norm, weight.coding, to: scratch)
    }
  }

  /// A linear layer of rows in one place in memory into rows in another.
  /// - Parameters:
  ///   - gate: that of all the rows.
  ///   - residual: added to the results; may lie where they go.
  func multiply(
    _ operation: Linear, rows: Int, from input: UnsafePointer<Float>,
    to output: UnsafeMutablePointer<Float>, gate: UnsafePointer<Float>? = nil,
    residual: UnsafePointer<Float>?, _ layout: CPUScratch, _ scratch: UnsafeMutableRawPointer
  ) {
    let (outputs, inputs) = (operation.weight.shape[0], operation.weight.shape[1])
    let epilogue = sana_epilogue(
      bias: operation.epilogue.bias.map(vector),
      activation: operation.epilogue.activation.kernelActivation, gate: gate, gate_stride: 0,
      residual: residual)
    let int8Matrix = int8Matrix(operation.weight)
    let product = product(
      .tokens(batch: 1, count: rows, channels: inputs),
      .tokens(batch: 1, count: rows, channels: outputs), from: input, to: output,
      int8Matrix == nil ? matrix(operation.weight) : nil, epilogue)
    guard let int8Matrix else {
      return multiply([product], Area(layout: layout, start: scratch))
    }
    multiply(product, int8Matrix, rows: rows, layout, scratch) {
      quantize($0, of: input, columns: inputs, int8Matrix.coding, to: scratch)
    }
  }

  /// Some output channels of a linear layer without an epilogue, of rows in one place in memory.
  /// - Parameter columns: ranges of one length, whose results lie one behind the other; of a packed
  ///   weight they begin with a panel.
  func multiply(
    _ operation: Linear, columns: [Range<Int>], rows: Int, from input: UnsafePointer<Float>,
    to output: UnsafeMutablePointer<Float>, _ layout: CPUScratch,
    _ scratch: UnsafeMutableRawPointer
  ) {
    let inputs = operation.weight.shape[1]
    let outputs = columns.reduce(0) { $0 + $1.count }
    let source = Shape.tokens(batch: 1, count: rows, channels: inputs)
    let size = source.with(channels: outputs)
    guard let int8Matrix = int8Matrix(operation.weight) else {
      let weight = matrix(operation.weight)
      let products = columns.enumerated().map { index, range in
        product(
          source, size, from: input, to: output + index * range.count,
          weight.rows(from: range.lowerBound, count: range.count), sana_epilogue())
      }
      return multiply(products, Area(layout: layout, start: scratch))
    }
    forEachQuantized(rows) { range in
      let codes = quantize(range, of: input, columns: inputs, int8Matrix.coding, to: scratch)
      for (index, columns) in columns.enumerated() {
        // The product counts its outputs from the weight's first row on.
        let target = output + index * columns.count - columns.lowerBound
        multiply(
          product(source, size, from: input, to: target, nil, sana_epilogue()), int8Matrix, codes,
          range, columns: columns, layout, scratch)
      }
    }
  }

  /// A product of all rows, some of them quantized at a time.
  private func multiply(
    _ product: sana_product, _ weight: sana_int8_matrix, rows: Int, _ layout: CPUScratch,
    _ scratch: UnsafeMutableRawPointer, quantizing quantize: (Range<Int>) -> sana_int8_rows
  ) {
    forEachQuantized(rows) { range in
      multiply(
        product, weight, quantize(range), range, columns: 0..<weight.rows, layout, scratch)
    }
  }

  /// Calls the body for as many rows at a time as are quantized at once.
  private func forEachQuantized(_ rows: Int, _ body: (Range<Int>) -> Void) {
    for first in stride(from: 0, to: rows, by: CPUDevice.quantizedRowsAtOnce) {
      body(first..<min(first + CPUDevice.quantizedRowsAtOnce, rows))
    }
  }

  /// Rows and output channels of a product of quantized rows.
  /// - Parameter columns: they begin with a panel.
  func multiply(
    _ product: sana_product, _ weight: sana_int8_matrix, _ rows: sana_int8_rows,
    _ range: Range<Int>, columns: Range<Int>, _ layout: CPUScratch,
    _ scratch: UnsafeMutableRawPointer
  ) {
    let tasks = ProductTasks.int8(
      rows: range.count, columns: columns.count, depth: weight.columns, threads: pool.size)
    withUnsafePointer(to: product) { product in
      withUnsafePointer(to: weight) { weight in
        withUnsafePointer(to: rows) { rows in
          pool.forEach(tasks.count) { index, worker in
            let ranges = tasks[index]
            kernels.product_int8(
              product, weight, rows, range.lowerBound + ranges.rows.lowerBound,
              range.lowerBound + ranges.rows.upperBound,
              columns.lowerBound + ranges.columns.lowerBound,
              columns.lowerBound + ranges.columns.upperBound, layout.worker(worker, at: scratch))
          }
        }
      }
    }
  }
}

extension Activation {
  var kernelActivation: sana_activation {
    switch self {
    case .none: SANA_ACTIVATION_NONE
    case .relu: SANA_ACTIVATION_RELU
    case .silu: SANA_ACTIVATION_SILU
    case .geluTanh: SANA_ACTIVATION_GELU_TANH
    }
  }
}
