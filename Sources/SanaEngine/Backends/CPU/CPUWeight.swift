internal import CKernels
internal import SanaGraph
internal import Support
internal import WeightFormats

/// A weight on the CPU, in memory of its own or of whoever streams it.
final class CPUWeight {
  private enum Contents {
    case stored(sana_matrix)
    case codes(sana_matrix, sana_row_coding)
    case widened(UnsafePointer<Float>)
    case packed(sana_int8_matrix)
  }

  private let contents: Contents
  /// Keeps the memory.
  private let owner: AnyObject

  /// Reads a weight into memory and brings it into its form.
  /// - Parameters:
  ///   - target: the form's bytes.
  ///   - owner: of that memory.
  ///   - staging: the planned bytes.
  ///   - loops: as many threads as the staging was planned for, or fewer.
  /// - Throws: what the source throws, `.unsupported` for numbers that are no weight.
  init(
    _ planned: CPUPlannedWeight, from source: any WeightSource,
    to target: UnsafeMutableRawPointer, of owner: AnyObject,
    staging: UnsafeMutableRawPointer, on device: CPUDevice, _ loops: any LoopRunner
  ) throws {
    let description = planned.description
    let loader = CPUWeightLoader(
      planned: planned, source: source, target: target, staging: staging, device: device,
      loops: loops)
    guard !planned.isMapped else {
      let (matrix, values) = try loader.lend()
      contents =
        if case .codes = planned.form {
          .codes(
            matrix,
            description.activations.rowCoding(try loader.factors(at: description.scaleBytes)))
        } else { .stored(matrix) }
      self.owner = LentValues(values: values, scales: owner)
      return
    }
    self.owner = owner
    contents =
      switch planned.form {
      case .stored: .stored(try loader.store(description))
      case .codes(let bytes, _):
        .codes(
          try loader.store(description),
          description.activations.rowCoding(try loader.factors(at: bytes)))
      case .widened: .widened(try loader.widen())
      case .restored: .stored(try loader.restore())
      case .packed(let codeBytes, let rows, _):
        .packed(try loader.pack(codeBytes: codeBytes, rows: rows))
      case .coded(let codeBytes, let rows, _):
        .packed(try loader.code(codeBytes: codeBytes, rows: rows))
      case .transformed(let form, let codeBytes, let rows, _):
        .packed(try loader.transform(form, codeBytes: codeBytes, rows: rows))
      }
  }

  /// A weight as it was loaded.
  init(_ tensor: StoredTensor) throws {
    let description = tensor.description
    guard let values = tensor.values.bytes.baseAddress,
      tensor.values.bytes.count == description.valueByteCount,
      (tensor.scales?.bytes.count ?? 0) == description.scaleBytes
    else {
      throw SanaError(
        .corruptFile,
        "tensor '\(description.name.abbreviated)' has another length than its shape says",
        remedy: "make the model file again", location: description.name)
    }
    contents = .stored(
      try sana_matrix(
        description, values: values, scales: tensor.scales?.bytes.baseAddress))
    owner = LoadedTensor(tensor)
  }

  /// What a weight keeps whose values are used where the file is mapped.
  private final class LentValues {
    let values: TensorBytes
    let scales: AnyObject
    init(values: TensorBytes, scales: AnyObject) {
      self.values = values
      self.scales = scales
    }
  }

  private final class LoadedTensor {
    let tensor: StoredTensor
    init(_ tensor: StoredTensor) { self.tensor = tensor }
  }

  /// The weight of a floating-point product or a lookup, or of a product by codes as stored.
  var matrix: sana_matrix? {
    switch contents {
    case .stored(let matrix), .codes(let matrix, _): matrix
    default: nil
    }
  }

  /// How rows are quantized before they are multiplied by the matrix; nil where they are not.
  var codesCoding: sana_row_coding? {
    if case .codes(_, let coding) = contents { coding } else { nil }
  }

  /// The weight of an int8 product.
  var int8Matrix: sana_int8_matrix? {
    if case .packed(let matrix) = contents { matrix } else { nil }
  }

  /// The numbers of a vector or a depthwise kernel.
  var floats: UnsafePointer<Float>? {
    if case .widened(let floats) = contents { floats } else { nil }
  }
}

/// Brings one weight from its source into memory.
private struct CPUWeightLoader {
  let planned: CPUPlannedWeight
  let source: any WeightSource
  let target: UnsafeMutableRawPointer
  let staging: UnsafeMutableRawPointer
  let device: CPUDevice
  let loops: any LoopRunner

  private var description: TensorDescription { planned.description }

  /// - Throws: `SanaError` `.corruptFile` when the source holds another weight than was planned
  ///   for.
  private func requirePlanned() throws {
    let description = try source.description(
      of: Parameter(planned.description.name, planned.description.shape))
    guard description == planned.description else {
      throw SanaError(
        .corruptFile,
        "tensor '\(description.name.abbreviated)' is not what the file's directory says",
        remedy: "make the model file again", location: description.name)
    }
  }

  /// The values where the file is mapped, the scales read to the target.
  func lend() throws -> (matrix: sana_matrix, values: TensorBytes) {
    try requirePlanned()
    let scales = UnsafeMutableBufferPointer(
      start: description.scaleCount > 0 ? target.assumingMemoryBound(to: Float.self) : nil,
      count: description.scaleCount)
    guard let values = try source.lendValues(of: description.name, scales: scales, on: loops),
      let start = values.bytes.baseAddress, values.bytes.count == description.valueByteCount
    else {
      throw SanaError(
        .corruptFile, "tensor '\(description.name.abbreviated)' does not lie in the file as it is",
        remedy: "make the model file again", location: description.name)
    }
    return (
      try sana_matrix(description, values: start, scales: scales.baseAddress.map { .init($0) }),
      values
    )
  }

  /// Reads the stored numbers.
  /// - Returns: the matrix that they are there.
  private func read(
    to values: UnsafeMutableRawPointer, scales: UnsafeMutableRawPointer
  ) throws -> sana_matrix {
    try requirePlanned()
    let hasScales = description.scaleCount > 0
    try source.read(
      description.name,
      into: UnsafeMutableRawBufferPointer(start: values, count: description.valueByteCount),
      scales: UnsafeMutableBufferPointer(
        start: hasScales ? scales.assumingMemoryBound(to: Float.self) : nil,
        count: description.scaleCount),
      on: loops)
    return try sana_matrix(description, values: values, scales: hasScales ? scales : nil)
  }

  private func readToStaging() throws -> sana_matrix {
    try read(to: staging, scales: staging + MemoryPlan.aligned(planned.staging.valueBytes))
  }

  private func area(_ worker: Int) -> UnsafeMutableRawPointer {
    planned.staging.threads.worker(
      worker,
      at: staging + MemoryPlan.aligned(planned.staging.valueBytes)
        + MemoryPlan.aligned(planned.staging.scaleBytes))
  }

  func store(_ description: TensorDescription) throws -> sana_matrix {
    try read(to: target, scales: target + MemoryPlan.aligned(description.valueByteCount))
  }

  func widen() throws -> UnsafePointer<Float> {
    let matrix = try readToStaging()
    let floats = target.bindMemory(to: Float.self, capacity: matrix.rows * matrix.columns)
    withUnsafePointer(to: matrix) { matrix in
      for row in 0..<matrix.pointee.rows {
        let columns = matrix.pointee.columns
        device.kernels.decode_row(matrix, row, 0, columns, floats + row * columns)
      }
    }
    return UnsafePointer(floats)
  }

  func pack(codeBytes: Int, rows: Int) throws -> sana_int8_matrix {
    let packed = PackedCodes(codeBytes: codeBytes, rows: rows, at: target)
    let factors = try factors(codeBytes: codeBytes, rows: rows)
    let matrix = try read(to: staging, scales: UnsafeMutableRawPointer(packed.scales))
    // Those of rows that only fill the last panel.
    (packed.scales + matrix.rows).update(repeating: 0, count: rows - matrix.rows)
    let codes = matrix.values.assumingMemoryBound(to: Int8.self)
    let panel = ProductTasks.panelColumns
    loops.forEach((matrix.rows + panel - 1) / panel) { index, _ in
      device.kernels.int8_pack(
        codes, matrix.rows, matrix.columns, index * panel,
        min((index + 1) * panel, matrix.rows), packed.codes, packed.offsets)
    }
    return packed.matrix(
      rows: matrix.rows, columns: matrix.columns, description.activations.rowCoding(factors))
  }

  func code(codeBytes: Int, rows: Int) throws -> sana_int8_matrix {
    let matrix = try readToStaging()
    let packed = PackedCodes(codeBytes: codeBytes, rows: rows, at: target)
    let factors = try factors(codeBytes: codeBytes, rows: rows)
    let panel = ProductTasks.panelColumns
    withUnsafePointer(to: matrix) { matrix in
      loops.forEach((matrix.pointee.rows + panel - 1) / panel) { index, worker in
        device.kernels.int8_code(
          matrix, index * panel, min((index + 1) * panel, matrix.pointee.rows),
          packed.codes, packed.scales, packed.offsets, area(worker))
      }
    }
    return packed.matrix(
      rows: matrix.rows, columns: matrix.columns, description.activations.rowCoding(factors))
  }

  func transform(
    _ form: sana_convolution_form, codeBytes: Int, rows: Int
  ) throws -> sana_int8_matrix {
    let matrix = try readToStaging()
    let packed = PackedCodes(codeBytes: codeBytes, rows: rows, at: target)
    let channels = description.shape[3]
    let outputs = form.outputs(rows: matrix.rows)
    let kernels = device.kernels.convolution(form, channels).pointee
    let factors = try factors(codeBytes: codeBytes, rows: rows)
    let panel = ProductTasks.panelColumns
    withUnsafePointer(to: matrix) { matrix in
      loops.forEach((outputs + panel - 1) / panel) { index, worker in
        kernels.pack(
          form, matrix, channels, outputs, index * panel,
          min((index + 1) * panel, outputs), packed.codes, packed.scales, packed.offsets,
          area(worker))
      }
    }
    return packed.matrix(
      rows: outputs, columns: channels, description.activations.rowCoding(factors))
  }

  /// As f32, of the input as it is.
  func restore() throws -> sana_matrix {
    let matrix = try readToStaging()
    let (rows, columns) = (matrix.rows, matrix.columns)
    let floats = UnsafeMutableBufferPointer(
      start: target.bindMemory(to: Float.self, capacity: rows * columns), count: rows * columns)
    let transformation = try source.inputTransformation(of: description)
    withUnsafePointer(to: matrix) { matrix in
      loops.forEach(rows) { row, _ in
        let numbers = UnsafeMutableBufferPointer(
          rebasing: floats[row * columns..<(row + 1) * columns])
        guard let start = numbers.baseAddress else { return }
        device.kernels.decode_row(matrix, row, 0, columns, start)
        transformation.undo(in: numbers, columns: columns)
      }
    }
    return sana_matrix(
      encoding: SANA_ENCODING_F32, values: target, scales: nil, rows: rows, columns: columns,
      group_size: 0)
  }

  /// The factors of the input, behind the codes.
  private func factors(codeBytes: Int, rows: Int) throws -> UnsafePointer<Float>? {
    try factors(at: PackedCodes.byteCount(codeBytes: codeBytes, rows: rows))
  }

  /// - Parameter offset: where the weight's own bytes end.
  func factors(at offset: Int) throws -> UnsafePointer<Float>? {
    let channels = planned.form.factorCount
    guard channels > 0 else { return nil }
    return ChannelFactors.place(
      try source.inputFactors(of: description), channels: channels,
      at: target + MemoryPlan.aligned(offset))
  }
}

extension ActivationEncoding {
  /// - Parameter factors: those of the weight's input; nil for ones.
  func rowCoding(_ factors: UnsafePointer<Float>?) -> sana_row_coding {
    sana_row_coding(factors: factors, rotation: rotation, planes: planes)
  }
}

extension sana_matrix {
  /// - Throws: `SanaError` `.unsupported` for numbers that are no weight.
  init(
    _ description: TensorDescription, values: UnsafeRawPointer, scales: UnsafeRawPointer?
  ) throws {
    var groupSize = 0
    let encoding: sana_encoding
    switch description.encoding {
    case .f32: encoding = SANA_ENCODING_F32
    case .f16: encoding = SANA_ENCODING_F16
    case .bf16: encoding = SANA_ENCODING_BF16
    case .int8PerChannel: encoding = SANA_ENCODING_INT8_CHANNEL
    case .int8Grouped(let size):
      encoding = SANA_ENCODING_INT8_GROUPED
      groupSize = size
    case .int4Grouped(let size):
      encoding = SANA_ENCODING_INT4_GROUPED
      groupSize = size
    case .plain:
      throw SanaError(
        .unsupported,
        "tensor '\(description.name.abbreviated)' is stored as plain numbers, not as a weight",
        remedy: "convert the checkpoint again", location: description.name)
    }
    self.init(
      encoding: encoding, values: values, scales: scales, rows: description.rows,
      columns: description.columns, group_size: groupSize)
  }

  /// The matrix of `count` rows from `first` on.
  func rows(from first: Int, count: Int) -> sana_matrix {
    var part = self
    part.rows = count
    let rowBytes =
      switch encoding {
      case SANA_ENCODING_F32: 4 * columns
      case SANA_ENCODING_F16, SANA_ENCODING_BF16: 2 * columns
      case SANA_ENCODING_INT4_GROUPED: (columns + 1) / 2
      default: columns
      }
    part.values = values + first * rowBytes
    let scalesPerRow = group_size > 0 ? (columns + group_size - 1) / group_size : 1
    part.scales = scales.map { $0 + first * scalesPerRow * MemoryLayout<Float>.size }
    return part
  }
}
