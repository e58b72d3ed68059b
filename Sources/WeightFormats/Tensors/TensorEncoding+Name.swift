/// How encodings are written on the command line and in tables: `f32`, `f16`, `bf16`, `int8`,
/// `int8:64`, `int4:32`, `I64`.
extension TensorEncoding: CustomStringConvertible {
  public var description: String {
    switch self {
    case .f32: "f32"
    case .f16: "f16"
    case .bf16: "bf16"
    case .int8PerChannel: "int8"
    case .int8Grouped(let size): "int8:\(size)"
    case .int4Grouped(let size): "int4:\(size)"
    case .plain(let type): type.rawValue
    }
  }

  /// Whether codes with scales beside them stand for the numbers.
  public var isQuantized: Bool {
    switch self {
    case .int8PerChannel, .int8Grouped, .int4Grouped: true
    case .f32, .f16, .bf16, .plain: false
    }
  }
}
