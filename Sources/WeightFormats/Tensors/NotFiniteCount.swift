internal import CKernels
internal import Support

/// How many numbers are NaN, and how many infinite.
public struct NotFiniteCount: Hashable, Sendable {
  public var nan = 0
  public var infinite = 0

  public init(nan: Int = 0, infinite: Int = 0) {
    self.nan = nan
    self.infinite = infinite
  }

  public var total: Int { nan + infinite }

  static func += (sum: inout NotFiniteCount, more: NotFiniteCount) {
    sum.nan += more.nan
    sum.infinite += more.infinite
  }
}

extension NotFiniteCount: CustomStringConvertible {
  /// `1 NaN and 2 infinite`.
  public var description: String {
    [nan > 0 ? "\(nan) NaN" : nil, infinite > 0 ? "\(infinite) infinite" : nil]
      .compactMap { $0 }.joined(separator: " and ")
  }

  /// Counts among stored numbers, which need not be aligned to anything.
  /// - Parameter type: those of another than the floating-point types are all finite. Numbers of
  ///   f64 are what they are as f32.
  package init(in bytes: UnsafeRawBufferPointer, of type: ScalarType) {
    guard let start = bytes.baseAddress else { return }
    let count = bytes.count / type.byteCount
    let total =
      switch type {
      case .f16: sana_count_not_finite_f16(start, count)
      case .bf16: sana_count_not_finite_bf16(start, count)
      case .f32: sana_count_not_finite_f32(start, count)
      case .f64: sana_count_not_finite_f64(start, count)
      case .i8, .u8, .i32, .i64, .bool: 0
      }
    // Which of the two they are only matters where there are some.
    guard total > 0 else { return }
    infinite = (0..<count).count { index in
      let at = index * type.byteCount
      return switch type {
      case .f16: bytes.unsigned(at: at, as: UInt16.self) & 0x7FFF == 0x7C00
      case .bf16: bytes.unsigned(at: at, as: UInt16.self) & 0x7FFF == 0x7F80
      case .f32: bytes.unsigned(at: at, as: UInt32.self) & 0x7FFF_FFFF == 0x7F80_0000
      case .f64: bytes.single(at: at).isInfinite
      case .i8, .u8, .i32, .i64, .bool: false
      }
    }
    nan = total - infinite
  }

  /// Counts among f32 in memory.
  package init(in numbers: UnsafeBufferPointer<Float>) {
    self.init(in: UnsafeRawBufferPointer(numbers), of: .f32)
  }
}

extension UnsafeRawBufferPointer {
  /// A number of f64 as it is read.
  fileprivate func single(at offset: Int) -> Float {
    Float(Double(bitPattern: unsigned(at: offset, as: UInt64.self)))
  }
}
