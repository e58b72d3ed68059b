internal import CKernels

extension ScalarType {
  /// Whether weights can be of this type.
  public var isFloatingPoint: Bool {
    self == .f32 || self == .f16 || self == .bf16 || self == .f64
  }

  /// What the numbers are once they are read: doubles become f32.
  package var readType: ScalarType { self == .f64 ? .f32 : self }

  /// How a tensor of this type stands in a container.
  public var encoding: TensorEncoding {
    switch self {
    case .f32, .f64: .f32
    case .f16: .f16
    case .bf16: .bf16
    case .i8, .u8, .i32, .i64, .bool: .plain(self)
    }
  }
}

extension TensorEncoding {
  /// The type of the numbers as they are stored; `nil` for codes with scales.
  package var numberType: ScalarType? { ScalarType.allCases.first { $0.encoding == self } }
}

/// Conversions between the floating-point formats, over raw little-endian bytes.
package enum FloatingPointConversion {
  /// Converts to f32, which is exact but for f64, which is rounded to nearest.
  /// - Precondition: `type` is a floating-point type and `output` has room for every element.
  package static func widen(
    _ input: UnsafeRawBufferPointer, _ type: ScalarType,
    to output: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(type.isFloatingPoint && output.count * type.byteCount == input.count)
    guard let source = input.baseAddress, let target = output.baseAddress else { return }
    guard type != .f32 else {
      UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: input.count)
      return
    }
    guard type != .f64 else {
      for index in output.indices {
        let bits = source.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self)
        target[index] = Float(Double(bitPattern: UInt64(littleEndian: bits)))
      }
      return
    }
    withAlignedHalves(input) { halves in
      if type == .f16 {
        sana_f16_to_f32(halves, target, output.count)
      } else {
        sana_bf16_to_f32(halves, target, output.count)
      }
    }
  }

  /// Rounds f32 to nearest, ties to even. A finite number too large for f16 becomes infinite.
  /// - Precondition: `type` is f32, f16 or bf16, and `output`, aligned for it, has room for every
  ///   element.
  package static func narrow(
    _ input: UnsafeBufferPointer<Float>, to type: ScalarType,
    _ output: UnsafeMutableRawBufferPointer
  ) {
    precondition(
      type.isFloatingPoint && type != .f64 && input.count * type.byteCount == output.count)
    guard let source = input.baseAddress, let target = output.baseAddress else { return }
    switch type {
    case .f16:
      sana_f32_to_f16(source, target.assumingMemoryBound(to: UInt16.self), input.count)
    case .bf16:
      sana_f32_to_bf16(source, target.assumingMemoryBound(to: UInt16.self), input.count)
    default:
      target.copyMemory(from: source, byteCount: output.count)
    }
  }

  /// Tensors of a safetensors file may start at any byte.
  private static func withAlignedHalves(
    _ bytes: UnsafeRawBufferPointer, _ body: (UnsafePointer<UInt16>) -> Void
  ) {
    guard let address = bytes.baseAddress else { return }
    if UInt(bitPattern: address) % 2 == 0 {
      body(address.assumingMemoryBound(to: UInt16.self))
      return
    }
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 2)
    defer { copy.deallocate() }
    copy.copyMemory(from: bytes)
    if let address = copy.baseAddress { body(address.assumingMemoryBound(to: UInt16.self)) }
  }
}
