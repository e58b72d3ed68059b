internal import CKernels
internal import SanaGraph
internal import WeightFormats

/// How a weight is held in memory.
enum CPUForm {
  /// As it is stored: matrices and convolution kernels.
  case stored(bytes: Int)
  /// As it is stored, int8 codes that rows of int8 activations are multiplied by: some of them are
  /// packed at a time, in the cache; and what the input's columns are multiplied by.
  case codes(bytes: Int, factors: Int)
  /// As f32: biases, norms and depthwise kernels, which are small.
  case widened(count: Int)
  /// As f32, of the input as it is: a matrix or kernel that is stored for a transformed one.
  case restored(count: Int)
  /// As int8 codes in the order of the int8 product, and what the input's columns are multiplied
  /// by.
  case packed(codeBytes: Int, rows: Int, factors: Int)
  /// As `packed`, the codes made when it is loaded.
  case coded(codeBytes: Int, rows: Int, factors: Int)
  /// As the transformed codes of a convolution, and a factor for each of its input channels.
  case transformed(sana_convolution_form, codeBytes: Int, rows: Int, channels: Int)

  /// Whether only an operation that takes int8 activations can use it.
  var isForInt8Activations: Bool {
    switch self {
    case .codes, .packed, .coded, .transformed: true
    case .stored, .widened, .restored: false
    }
  }

  /// Numbers that the input's columns are multiplied by.
  var factorCount: Int {
    switch self {
    case .codes(_, let factors), .packed(_, _, let factors), .coded(_, _, let factors),
      .transformed(_, _, _, let factors):
      factors
    case .stored, .widened, .restored: 0
    }
  }

  var byteCount: Int {
    switch self {
    case .stored(let bytes): bytes
    case .codes(let bytes, let factors):
      MemoryPlan.aligned(bytes) + ChannelFactors.byteCount(channels: factors)
    case .widened(let count), .restored(let count): count * MemoryLayout<Float>.size
    case .packed(let codeBytes, let rows, let factors),
      .coded(let codeBytes, let rows, let factors),
      .transformed(_, let codeBytes, let rows, let factors):
      MemoryPlan.aligned(PackedCodes.byteCount(codeBytes: codeBytes, rows: rows))
        + ChannelFactors.byteCount(channels: factors)
    }
  }
}

/// A weight in one of the forms in which it can be in memory.
struct CPUWeightKey: Hashable {
  let name: String
  let isForInt8Activations: Bool
}

/// A weight that a graph reads, and the form it will have.
struct CPUPlannedWeight {
  let description: TensorDescription
  let form: CPUForm
  /// Memory for the stored numbers while they are brought into the form.
  let staging: CPUStaging
  /// Whether the values are used where the file is mapped, while one step runs.
  let isMapped: Bool

  /// Memory that is written when the weight is loaded.
  var ownBytes: Int {
    isMapped
      ? MemoryPlan.aligned(description.scaleBytes)
        + ChannelFactors.byteCount(channels: form.factorCount) : form.byteCount
  }
  /// Bytes of the file that are mapped into memory meanwhile.
  var mappedBytes: Int { isMapped ? description.valueByteCount : 0 }

  var key: CPUWeightKey {
    CPUWeightKey(
      name: description.name, isForInt8Activations: form.isForInt8Activations)
  }
}

/// Memory that exists beside a weight while it is loaded.
struct CPUStaging {
  /// Numbers as they are stored.
  let valueBytes: Int
  /// Scales as they are stored.
  let scaleBytes: Int
  /// What each thread works with.
  let threads: CPUScratch

  var byteCount: Int {
    MemoryPlan.aligned(valueBytes) + MemoryPlan.aligned(scaleBytes) + threads.byteCount
  }
}

extension CPUDevice {
  /// The longest sum of products of an unsigned and a signed byte that cannot leave the range of an
  /// int32.
  private static let int8Columns = Int(Int32.max) / (255 * 127)

  /// The form of a weight that an operation reads.
  /// - Parameter isUsedOnce: whether the weight is loaded for one use of it.
  func form(
    of description: TensorDescription, in operation: Operation, isUsedOnce: Bool
  ) -> CPUForm {
    let form = form(of: description)
    // Whatever else a file says int8 activations are for reads its weight as stored.
    guard operation.takesInt8Activations || !form.isForInt8Activations else {
      return floatingPointForm(of: description)
    }
    if isUsedOnce, case .packed(_, _, let factors) = form {
      return .codes(bytes: description.storedBytes, factors: factors)
    }
    return form
  }

  /// The form for an operation that takes int8 activations where the weight is made for them.
  private func form(of description: TensorDescription) -> CPUForm {
    switch description.shape.count {
    case 2
    where precision == .auto && description.activations.isInt8
      && description.columns <= Self.int8Columns:
      packedForm(of: description)
    case 4 where precision == .auto && description.activations.isInt8:
      transformedForm(of: description)
    case 2, 4:
      floatingPointForm(of: description)
    default:
      .widened(count: description.elementCount)
    }
  }

  private func floatingPointForm(of description: TensorDescription) -> CPUForm {
    description.activations.isTransformed
      ? .restored(count: description.elementCount) : .stored(bytes: description.storedBytes)
  }

  private func packedForm(of description: TensorDescription) -> CPUForm {
    let factors = description.activations.hasFactors ? description.columns : 0
    let codeBytes = kernels.int8_packed_bytes(description.rows, description.columns)
    let rows = kernels.int8_packed_rows(description.rows)
    return switch description.encoding {
    case .int8PerChannel: .packed(codeBytes: codeBytes, rows: rows, factors: factors)
    case .f32, .f16, .bf16: .coded(codeBytes: codeBytes, rows: rows, factors: factors)
    default: floatingPointForm(of: description)
    }
  }

  private func transformedForm(of description: TensorDescription) -> CPUForm {
    let form: sana_convolution_form
    switch Array(description.shape[1...2]) {
    case [3, 3]: form = SANA_CONVOLUTION_WINOGRAD
    case [2, 2] where description.rows % 4 == 0: form = SANA_CONVOLUTION_UPSAMPLE
    default: return floatingPointForm(of: description)
    }
    let channels = description.shape[3]
    guard channels <= Self.int8Columns else { return floatingPointForm(of: description) }
    let outputs = form.outputs(rows: description.rows)
    let kernels = kernels.convolution(form, channels).pointee
    return .transformed(
      form, codeBytes: kernels.packed_bytes(form, channels, outputs),
      rows: kernels.packed_rows(form, outputs), channels: channels)
  }

  /// What loading a weight takes beside it.
  /// - Parameter workers: threads that load it.
  func staging(of description: TensorDescription, as form: CPUForm, workers: Int) -> CPUStaging {
    let threadBytes =
      switch form {
      case .coded: kernels.int8_code_bytes(description.columns)
      case .transformed(let form, _, _, let channels):
        kernels.convolution(form, channels).pointee.pack_bytes(form, channels)
      default: 0
      }
    let (values, scales) =
      switch form {
      case .stored, .codes: (0, 0)
      // Scales go where they stay.
      case .packed: (description.valueByteCount, 0)
      default: (description.valueByteCount, description.scaleBytes)
      }
    return CPUStaging(
      valueBytes: values, scaleBytes: scales,
      threads: CPUScratch(workerBytes: threadBytes, workers: workers))
  }
}

extension sana_convolution_form {
  /// Output channels of a weight of so many rows: phases are rows of their own.
  func outputs(rows: Int) -> Int { self == SANA_CONVOLUTION_UPSAMPLE ? rows / 4 : rows }
}

extension TensorDescription {
  var scaleBytes: Int { scaleCount * MemoryLayout<Float>.size }
  /// Values, then scales at the next multiple of the alignment.
  var storedBytes: Int { MemoryPlan.aligned(valueByteCount) + scaleBytes }
}
