internal import CKernels
internal import Support
internal import WeightFormats

/// Rows of a tensor from f32 to their stored form.
enum RowCoding {
  /// Rounds or quantizes rows.
  /// - Parameters:
  ///   - input: `rows * columns` numbers.
  ///   - values, scales: receive what `encoding` stores for these rows.
  ///   - rounding: what codes are rounded by; `nil` for the nearest.
  ///   - scratch: for int4 codes before they are packed, and for what rounding keeps.
  /// - Returns: the first row that holds NaN, infinity or, for 16-bit encodings, something that would become infinite; `nil`
  ///   when there is none.
  static func encode(
    _ input: UnsafeBufferPointer<Float>, rows: Int, columns: Int, encoding: TensorEncoding,
    values: UnsafeMutableRawBufferPointer, scales: UnsafeMutableBufferPointer<Float>,
    rounding: SecondOrderRounding? = nil, scratch: (codes: ScratchBuffer, rows: ScratchBuffer)
  ) -> Int? {
    guard let source = input.baseAddress, let target = values.baseAddress else { return nil }
    switch encoding {
    case .f32, .f16, .bf16:
      let largest = sana_largest_magnitude(source, input.count)
      guard largest < encoding.overflowThreshold else {
        return (0..<rows).first {
          !(sana_largest_magnitude(source + $0 * columns, columns) < encoding.overflowThreshold)
        }
      }
      switch encoding {
      case .f16:
        sana_f32_to_f16(source, target.assumingMemoryBound(to: UInt16.self), input.count)
      case .bf16:
        sana_f32_to_bf16(source, target.assumingMemoryBound(to: UInt16.self), input.count)
      default: values.copyMemory(from: UnsafeRawBufferPointer(input))
      }
      return nil
    case .int8PerChannel, .int8Grouped:
      return quantize(
        source, rows: rows, columns: columns, encoding: encoding, limit: 127,
        codes: target.assumingMemoryBound(to: Int8.self), scales: scales, rounding, scratch.rows)
    case .int4Grouped:
      let codes = scratch.codes.bytes(count: input.count).assumingMemoryBound(to: Int8.self)
      guard let codes = codes.baseAddress else { return nil }
      let bad = quantize(
        source, rows: rows, columns: columns, encoding: encoding, limit: 7, codes: codes,
        scales: scales, rounding, scratch.rows)
      if bad == nil {
        sana_pack_int4(codes, rows, columns, target.assumingMemoryBound(to: UInt8.self))
      }
      return bad
    case .plain: preconditionFailure("plain tensors are copied, not encoded")
    }
  }

  private static func quantize(
    _ source: UnsafePointer<Float>, rows: Int, columns: Int, encoding: TensorEncoding,
    limit: Int32, codes: UnsafeMutablePointer<Int8>, scales: UnsafeMutableBufferPointer<Float>,
    _ rounding: SecondOrderRounding?, _ scratch: ScratchBuffer
  ) -> Int? {
    guard let scales = scales.baseAddress else { return nil }
    if let rounding, sana_largest_magnitude(source, rows * columns).isFinite {
      rounding.round(
        UnsafeBufferPointer(start: source, count: rows * columns),
        group: encoding.group(columns: columns), limit: limit, codes: codes, scales: scales,
        scratch: scratch)
      return nil
    }
    let done = sana_quantize_rows(
      source, rows, columns, encoding.group(columns: columns), limit, codes, scales)
    return done == rows ? nil : done
  }
}
