internal import CKernels
internal import SanaGraph
internal import Support
internal import WeightFormats

/// How a weight is held in memory.
enum CPUStorage {
  /// As it was loaded: matrices and convolution kernels.
  case stored(bytes: Int)
  /// As f32: biases, norms and depthwise kernels, which are small.
  case widened(count: Int)
  /// As int8 codes in the order of the int8 product.
  case packed(codeBytes: Int, rows: Int)
  /// As `packed`, the codes made when it is loaded, and a factor for each column.
  case coded(codeBytes: Int, rows: Int, columns: Int)
  /// As the transformed codes of a convolution, and a factor for each of its input channels.
  case transformed(sana_convolution_form, codeBytes: Int, rows: Int, channels: Int)

  /// Whether only an operation that takes int8 activations can use it.
  var isPacked: Bool {
    switch self {
    case .packed, .coded, .transformed: true
    case .stored, .widened: false
    }
  }

  var residentBytes: Int {
    switch self {
    case .stored(let bytes): bytes
    case .widened(let count): count * MemoryLayout<Float>.size
    case .packed(let codeBytes, let rows):
      PackedCodes.byteCount(codeBytes: codeBytes, rows: rows)
    case .coded(let codeBytes, let rows, let channels),
      .transformed(_, let codeBytes, let rows, let channels):
      PackedCodes.byteCount(codeBytes: codeBytes, rows: rows)
        + ChannelFactors.byteCount(channels: channels)
    }
  }
}

extension CPUDevice {
  /// The longest sum of products of an unsigned and a signed byte that cannot leave the range of an int32.
  private static let int8Columns = Int(Int32.max) / (255 * 127)

  func storage(of description: TensorDescription) -> CPUStorage {
    switch description.shape.count {
    case 2
    where precision == .auto && description.activations == .int8PerToken
      && description.columns <= Self.int8Columns:
      packedStorage(of: description)
    case 4 where precision == .auto && description.activations == .int8PerToken:
      transformedStorage(of: description)
    case 2, 4:
      .stored(bytes: description.storedBytes)
    default:
      .widened(count: description.elementCount)
    }
  }
}

extension CPUDevice {
  private func packedStorage(of description: TensorDescription) -> CPUStorage {
    let codeBytes = kernels.int8_packed_bytes(description.rows, description.columns)
    let rows = kernels.int8_packed_rows(description.rows)
    return switch description.encoding {
    case .int8PerChannel: .packed(codeBytes: codeBytes, rows: rows)
    case .f32, .f16, .bf16:
      .coded(codeBytes: codeBytes, rows: rows, columns: description.columns)
    default: .stored(bytes: description.storedBytes)
    }
  }

  private func transformedStorage(of description: TensorDescription) -> CPUStorage {
    let form: sana_convolution_form
    switch Array(description.shape[1...2]) {
    case [3, 3]: form = SANA_CONVOLUTION_WINOGRAD
    case [2, 2] where description.rows % 4 == 0: form = SANA_CONVOLUTION_UPSAMPLE
    default: return .stored(bytes: description.storedBytes)
    }
    let channels = description.shape[3]
    guard channels <= Self.int8Columns else { return .stored(bytes: description.storedBytes) }
    let outputs = form.outputs(rows: description.rows)
    let kernels = kernels.convolution(form, channels).pointee
    return .transformed(
      form, codeBytes: kernels.packed_bytes(form, channels, outputs),
      rows: kernels.packed_rows(form, outputs), channels: channels)
  }
}

extension sana_convolution_form {
  /// Output channels of a weight of so many rows: phases are rows of their own.
  func outputs(rows: Int) -> Int { self == SANA_CONVOLUTION_UPSAMPLE ? rows / 4 : rows }
}

extension TensorDescription {
  fileprivate var storedBytes: Int { valueByteCount + scaleCount * MemoryLayout<Float>.size }
}

/// A weight on the CPU.
final class CPUWeight {
  private enum Contents {
    case stored(StoredTensor, sana_matrix)
    case widened(AlignedMemory)
    case packed(AlignedMemory, sana_int8_matrix, ChannelFactors?)
  }

  private let contents: Contents
  let residentBytes: Int

  /// - Parameter isPacked: whether the operation that uses it takes int8 activations; otherwise the weight stays as it is stored.
  init(_ tensor: StoredTensor, isPacked: Bool, on device: CPUDevice) throws {
    let description = tensor.description
    var storage = device.storage(of: description)
    if storage.isPacked, !isPacked { storage = .stored(bytes: description.storedBytes) }
    let matrix = try sana_matrix(tensor)
    residentBytes = storage.residentBytes
    switch storage {
    case .stored:
      contents = .stored(tensor, matrix)
    case .widened(let count):
      contents = .widened(try Self.widen(matrix, count: count, tensor, on: device))
    case .packed(let codeBytes, let rows):
      contents = try Self.pack(matrix, codeBytes: codeBytes, rows: rows, tensor, on: device)
    case .coded(let codeBytes, let rows, _):
      contents = try Self.code(matrix, codeBytes: codeBytes, rows: rows, tensor, on: device)
    case .transformed(let form, let codeBytes, let rows, _):
      contents = try Self.transform(
        matrix, form, codeBytes: codeBytes, rows: rows, tensor, on: device)
    }
  }

  private static func widen(
    _ matrix: sana_matrix, count: Int, _ tensor: StoredTensor, on device: CPUDevice
  ) throws -> AlignedMemory {
    let memory = try AlignedMemory(
      byteCount: count * MemoryLayout<Float>.size, purpose: tensor.description.name)
    let floats = memory.start.bindMemory(to: Float.self, capacity: count)
    withUnsafePointer(to: matrix) { matrix in
      for row in 0..<matrix.pointee.rows {
        let columns = matrix.pointee.columns
        device.kernels.decode_row(matrix, row, 0, columns, floats + row * columns)
      }
    }
    return memory
  }

  private static func pack(
    _ matrix: sana_matrix, codeBytes: Int, rows: Int, _ tensor: StoredTensor, on device: CPUDevice
  ) throws -> Contents {
    let packed = try PackedCodes(codeBytes: codeBytes, rows: rows, tensor)
    if let source = matrix.scales {
      UnsafeMutableRawPointer(packed.scales).copyMemory(
        from: source, byteCount: matrix.rows * MemoryLayout<Float>.size)
    }
    let source = matrix.values.assumingMemoryBound(to: Int8.self)
    let panel = ProductTasks.panelColumns
    device.pool.forEach((matrix.rows + panel - 1) / panel) { index, _ in
      device.kernels.int8_pack(
        source, matrix.rows, matrix.columns, index * panel,
        min((index + 1) * panel, matrix.rows), packed.codes, packed.offsets)
    }
    return .packed(packed.memory, packed.matrix(rows: matrix.rows, columns: matrix.columns), nil)
  }

  private static func code(
    _ matrix: sana_matrix, codeBytes: Int, rows: Int, _ tensor: StoredTensor, on device: CPUDevice
  ) throws -> Contents {
    let packed = try PackedCodes(codeBytes: codeBytes, rows: rows, tensor)
    let layout = CPUScratch(
      workerBytes: device.kernels.int8_code_bytes(matrix.columns), workers: device.pool.size)
    let scratch = try AlignedMemory(byteCount: layout.byteCount, purpose: tensor.description.name)
    let factors = try ChannelFactors(matrix, channels: matrix.columns, tensor, on: device) {
      layout.worker($0, at: scratch.start)
    }
    let panel = ProductTasks.panelColumns
    withUnsafePointer(to: matrix) { matrix in
      device.pool.forEach((matrix.pointee.rows + panel - 1) / panel) { index, worker in
        device.kernels.int8_code(
          matrix, factors.floats, index * panel, min((index + 1) * panel, matrix.pointee.rows),
          packed.codes, packed.scales, packed.offsets, layout.worker(worker, at: scratch.start))
      }
    }
    return .packed(
      packed.memory, packed.matrix(rows: matrix.rows, columns: matrix.columns, factors), factors)
  }

  private static func transform(
    _ matrix: sana_matrix, _ form: sana_convolution_form, codeBytes: Int, rows: Int,
    _ tensor: StoredTensor, on device: CPUDevice
  ) throws -> Contents {
    let packed = try PackedCodes(codeBytes: codeBytes, rows: rows, tensor)
    let channels = tensor.description.shape[3]
    let outputs = form.outputs(rows: matrix.rows)
    let kernels = device.kernels.convolution(form, channels).pointee
    let layout = CPUScratch(
      workerBytes: kernels.pack_bytes(form, channels), workers: device.pool.size)
    let scratch = try AlignedMemory(byteCount: layout.byteCount, purpose: tensor.description.name)
    let factors = try ChannelFactors(matrix, channels: channels, tensor, on: device) {
      layout.worker($0, at: scratch.start)
    }
    let panel = ProductTasks.panelColumns
    withUnsafePointer(to: matrix) { matrix in
      device.pool.forEach((outputs + panel - 1) / panel) { index, worker in
        kernels.pack(
          form, matrix, channels, outputs, factors.floats, index * panel,
          min((index + 1) * panel, outputs), packed.codes, packed.scales, packed.offsets,
          layout.worker(worker, at: scratch.start))
      }
    }
    return .packed(
      packed.memory, packed.matrix(rows: outputs, columns: channels, factors), factors)
  }

  /// The weight of a floating-point product or a lookup.
  var matrix: sana_matrix? {
    if case .stored(_, let matrix) = contents { matrix } else { nil }
  }

  /// The weight of an int8 product.
  var int8Matrix: sana_int8_matrix? {
    if case .packed(_, let matrix, _) = contents { matrix } else { nil }
  }

  /// The numbers of a vector or a depthwise kernel.
  var floats: UnsafePointer<Float>? {
    guard case .widened(let memory) = contents else { return nil }
    return UnsafePointer(memory.start.assumingMemoryBound(to: Float.self))
  }
}

extension sana_matrix {
  /// - Throws: `SanaError` `.corruptFile` when bytes are missing, `.unsupported` for numbers that are no weight.
  fileprivate init(_ tensor: StoredTensor) throws {
    let description = tensor.description
    guard let values = tensor.values.bytes.baseAddress,
      tensor.values.bytes.count == description.valueByteCount,
      (tensor.scales?.bytes.count ?? 0) == description.scaleCount * MemoryLayout<Float>.size
    else {
      throw SanaError(
        .corruptFile,
        "tensor '\(description.name.abbreviated)' has another length than its shape says",
        remedy: "make the model file again", location: description.name)
    }
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
      encoding: encoding, values: values, scales: tensor.scales?.bytes.baseAddress,
      rows: description.rows, columns: description.columns, group_size: groupSize)
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
