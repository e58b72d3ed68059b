/// How the numbers of one tensor are stored.
///
/// A weight is seen as a matrix: its first axis is the output channel (a *row*), all other axes
/// together are the *columns*. Quantized encodings are symmetric: `value = code * scale`, codes in
/// -127...127 (int8) or -7...7 (int4).
public enum TensorEncoding: Hashable, Sendable {
  case f32
  case f16
  case bf16
  /// int8 codes `[rows, columns]`, one f32 scale per row.
  case int8PerChannel
  /// int8 codes `[rows, columns]`, one f32 scale per row and group of `groupSize` columns (the last
  /// group may be short).
  case int8Grouped(groupSize: Int)
  /// Two int4 codes a byte, low nibble first, each row padded to a whole byte; stored as code + 8.
  /// Scales as in `int8Grouped`.
  case int4Grouped(groupSize: Int)
  /// Numbers that are not weights (token tables, masks): kept as they are.
  case plain(ScalarType)
}

/// The scalar types of tensors in official files and in what trainers make of them.
public enum ScalarType: String, Hashable, Sendable, CaseIterable {
  case f32 = "F32"
  case f16 = "F16"
  case bf16 = "BF16"
  case i8 = "I8"
  case u8 = "U8"
  case i32 = "I32"
  case i64 = "I64"
  case bool = "BOOL"
  /// Read, and rounded to f32; never written.
  case f64 = "F64"

  public var byteCount: Int {
    switch self {
    case .i64, .f64: 8
    case .f32, .i32: 4
    case .f16, .bf16: 2
    case .i8, .u8, .bool: 1
    }
  }
}

/// What a tensor is, without its bytes.
public struct TensorDescription: Hashable, Sendable {
  public var name: String
  /// Outermost axis first. A scalar has the shape `[]`.
  public var shape: [Int]
  public var encoding: TensorEncoding
  public var activations: ActivationEncoding

  public init(
    name: String, shape: [Int], encoding: TensorEncoding,
    activations: ActivationEncoding = .floatingPoint
  ) {
    self.name = name
    self.shape = shape
    self.encoding = encoding
    self.activations = activations
  }

  public var elementCount: Int { shape.reduce(1, *) }
  /// Output channels: the first axis, 1 for a scalar.
  public var rows: Int { shape.first ?? 1 }
  /// Elements of one output channel.
  public var columns: Int { shape.dropFirst().reduce(1, *) }

  /// Bytes of the codes (or of the plain values).
  public var valueByteCount: Int {
    switch encoding {
    case .f32: elementCount * 4
    case .f16, .bf16: elementCount * 2
    case .int8PerChannel, .int8Grouped: elementCount
    case .int4Grouped: rows * ((columns + 1) / 2)
    case .plain(let type): elementCount * type.byteCount
    }
  }

  /// Number of f32 scales stored beside the codes.
  public var scaleCount: Int {
    switch encoding {
    case .f32, .f16, .bf16, .plain: 0
    case .int8PerChannel: rows
    case .int8Grouped(let size), .int4Grouped(let size): rows * ((columns + size - 1) / size)
    }
  }
}
