internal import CKernels
package import Support

extension TensorEncoding {
  /// Widens or dequantizes rows to f32.
  /// - Parameters:
  ///   - values: the rows' codes or numbers, aligned for their type.
  ///   - scales: the rows' scales, empty where the encoding has none.
  ///   - output: `rows * columns` numbers.
  ///   - scratch: for unpacked int4 codes.
  /// - Precondition: not `.plain`, which is no encoding of weights.
  package func decode(
    _ values: UnsafeRawBufferPointer, scales: UnsafeBufferPointer<Float>, rows: Int, columns: Int,
    into output: UnsafeMutableBufferPointer<Float>, scratch: ScratchBuffer
  ) {
    guard let source = values.baseAddress, let target = output.baseAddress else { return }
    switch self {
    case .f32: UnsafeMutableRawBufferPointer(output).copyMemory(from: values)
    case .f16: sana_f16_to_f32(source.assumingMemoryBound(to: UInt16.self), target, output.count)
    case .bf16: sana_bf16_to_f32(source.assumingMemoryBound(to: UInt16.self), target, output.count)
    case .int8PerChannel, .int8Grouped, .int4Grouped:
      guard let scales = scales.baseAddress else { return }
      var codes = source.assumingMemoryBound(to: Int8.self)
      if case .int4Grouped = self {
        let unpacked = scratch.bytes(count: output.count).assumingMemoryBound(to: Int8.self)
        guard let memory = unpacked.baseAddress else { return }
        sana_unpack_int4(source.assumingMemoryBound(to: UInt8.self), rows, columns, memory)
        codes = UnsafePointer(memory)
      }
      sana_dequantize_rows(codes, scales, rows, columns, group(columns: columns), target)
    case .plain: preconditionFailure("plain tensors are copied, not decoded")
    }
  }

  /// Columns that share a scale.
  package func group(columns: Int) -> Int {
    switch self {
    case .int8Grouped(let size), .int4Grouped(let size): size
    case .f32, .f16, .bf16, .int8PerChannel, .plain: columns
    }
  }
}
