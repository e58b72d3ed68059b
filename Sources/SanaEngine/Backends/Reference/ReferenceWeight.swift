internal import SanaGraph
internal import Support
internal import WeightFormats

/// A weight decoded to doubles. A code times its scale is exact in a double, so nothing is lost whatever the encoding.
struct ReferenceWeight {
  let shape: [Int]
  /// All elements, the last axis fastest, of the input as it is.
  let values: [Double]
  /// What a product of int8 activations multiplies; `nil` where there is none.
  let coded: Coded?

  struct Coded {
    /// All elements, of the transformed input.
    let values: [Double]
    let activations: ActivationEncoding
    /// Of each input channel.
    let factors: [Float]
    let isFloatingPoint: Bool
  }

  /// - Parameter factors: those of the tensor's input; `nil` for ones.
  init(_ tensor: StoredTensor, factors: [Float]? = nil, precision: ComputePrecision) throws {
    let description = tensor.description
    guard tensor.values.bytes.count == description.valueByteCount,
      (tensor.scales?.bytes.count ?? 0) == description.scaleCount * MemoryLayout<Float>.size
    else {
      throw SanaError(
        .corruptFile,
        "tensor '\(description.name.abbreviated)' has another length than its shape says",
        remedy: "make the model file again", location: description.name)
    }
    shape = description.shape
    let stored =
      switch description.encoding {
      case .f32: Self.widen(tensor, .f32)
      case .f16: Self.widen(tensor, .f16)
      case .bf16: Self.widen(tensor, .bf16)
      case .int8PerChannel:
        Self.dequantize(tensor.values.codes, tensor, groupSize: nil)
      case .int8Grouped(let groupSize):
        Self.dequantize(tensor.values.codes, tensor, groupSize: groupSize)
      case .int4Grouped(let groupSize):
        Self.dequantize(Self.int4Codes(tensor), tensor, groupSize: groupSize)
      case .plain:
        throw SanaError(
          .unsupported,
          "tensor '\(description.name.abbreviated)' is stored as plain numbers, not as a weight",
          remedy: "convert the checkpoint again", location: description.name)
      }
    let channels = description.shape.last ?? 1
    let factors = factors ?? [Float](repeating: 1, count: channels)
    let activations = description.activations
    coded =
      precision == .auto && activations.isInt8
      ? Coded(
        values: stored, activations: activations, factors: factors,
        isFloatingPoint: !description.encoding.isQuantized) : nil
    values =
      activations.isTransformed
      ? stride(from: 0, to: stored.count, by: channels).flatMap { start in
        zip(
          HadamardRotation.apply(
            Array(stored[start..<start + channels]), block: activations.rotation), factors
        ).map { $0 * Double($1) }
      } : stored
  }

  private static func widen(_ tensor: StoredTensor, _ type: ScalarType) -> [Double] {
    let elementCount = tensor.description.elementCount
    return [Float](unsafeUninitializedCapacity: elementCount) { floats, count in
      FloatingPointConversion.widen(
        tensor.values.bytes, type, to: UnsafeMutableBufferPointer(rebasing: floats[..<elementCount])
      )
      count = elementCount
    }.map(Double.init)
  }

  /// Multiplies codes `[rows, columns]` by the scale of their row, or of their row and group of columns.
  private static func dequantize(
    _ codes: [Double], _ tensor: StoredTensor, groupSize: Int?
  ) -> [Double] {
    let columns = tensor.description.columns
    let scales = tensor.scales?.floats ?? []
    let scalesPerRow = scales.count / max(tensor.description.rows, 1)
    return codes.indices.map { index in
      let (row, column) = index.quotientAndRemainder(dividingBy: columns)
      let group = groupSize.map { column / $0 } ?? 0
      return codes[index] * Double(scales[row * scalesPerRow + group])
    }
  }

  /// Two codes a byte, low nibble first, stored as code + 8; every row starts at a whole byte.
  private static func int4Codes(_ tensor: StoredTensor) -> [Double] {
    let (rows, columns) = (tensor.description.rows, tensor.description.columns)
    let rowBytes = (columns + 1) / 2
    var codes: [Double] = []
    codes.reserveCapacity(rows * columns)
    for row in 0..<rows {
      for column in 0..<columns {
        let byte = tensor.values.bytes[row * rowBytes + column / 2]
        codes.append(Double(Int(column % 2 == 0 ? byte & 0xF : byte >> 4) - 8))
      }
    }
    return codes
  }
}

extension TensorBytes {
  fileprivate var codes: [Double] { bytes.map { Double(Int8(bitPattern: $0)) } }

  /// A copy of the bytes as f32 numbers, whatever their alignment in memory.
  fileprivate var floats: [Float] {
    (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
  }
}
