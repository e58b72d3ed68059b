/// A tensor with its bytes in memory.
public struct StoredTensor: Sendable {
  public let description: TensorDescription
  /// Codes or plain values, `description.valueByteCount` bytes, little-endian.
  public let values: TensorBytes
  /// f32 scales, `description.scaleCount` of them; `nil` where the encoding has none.
  public let scales: TensorBytes?

  public init(description: TensorDescription, values: TensorBytes, scales: TensorBytes? = nil) {
    self.description = description
    self.values = values
    self.scales = scales
  }
}

extension StoredTensor {
  /// A tensor of f32 numbers, of which the description wants as many.
  package init(_ description: TensorDescription, floats: [Float]) {
    precondition(description.encoding == .f32 && description.elementCount == floats.count)
    self.init(
      description: description,
      values: floats.withUnsafeBytes { source in
        TensorBytes(byteCount: source.count) { $0.copyMemory(from: source) }
      })
  }

  /// A copy of some rows, in the order given.
  package func picking(_ rows: [Int]) -> StoredTensor {
    var picked = description
    picked.shape = [rows.count] + description.shape.dropFirst()
    func pick(_ plane: TensorBytes, byteCount: Int) -> TensorBytes {
      let rowByteCount = plane.bytes.count / max(description.rows, 1)
      return TensorBytes(byteCount: byteCount) { target in
        for (index, row) in rows.enumerated() {
          UnsafeMutableRawBufferPointer(
            rebasing: target[index * rowByteCount..<(index + 1) * rowByteCount]
          ).copyMemory(
            from: UnsafeRawBufferPointer(
              rebasing: plane.bytes[row * rowByteCount..<(row + 1) * rowByteCount]))
        }
      }
    }
    return StoredTensor(
      description: picked, values: pick(values, byteCount: picked.valueByteCount),
      scales: scales.map { pick($0, byteCount: picked.scaleCount * MemoryLayout<Float>.size) })
  }
}
