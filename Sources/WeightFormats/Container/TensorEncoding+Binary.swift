/// The codes of encodings in a `.sana` directory (`formats.md`, "Tensor").
extension TensorEncoding {
  var code: UInt8 {
    switch self {
    case .f32: 1
    case .f16: 2
    case .bf16: 3
    case .int8PerChannel: 4
    case .int8Grouped: 5
    case .int4Grouped: 6
    case .plain: 7
    }
  }

  /// Group size, scalar type, or 0.
  var parameter: UInt32 {
    switch self {
    case .f32, .f16, .bf16, .int8PerChannel: 0
    case .int8Grouped(let size), .int4Grouped(let size): UInt32(size)
    case .plain(let type): UInt32(type.code ?? 0)
    }
  }

  /// `nil` when the code, or the scalar type in the parameter, is none that this version knows.
  init?(code: UInt8, parameter: UInt32) {
    switch code {
    case 1: self = .f32
    case 2: self = .f16
    case 3: self = .bf16
    case 4: self = .int8PerChannel
    case 5: self = .int8Grouped(groupSize: Int(parameter))
    case 6: self = .int4Grouped(groupSize: Int(parameter))
    case 7:
      guard
        let type = ScalarType.allCases.first(where: { $0.code.map(UInt32.init) == parameter })
      else { return nil }
      self = .plain(type)
    default: return nil
    }
  }

  /// Bytes of one stored number, the unit of the bitshuffle filter; `nil` where no filter helps:
  /// text and flags.
  var filteredElementByteCount: Int? {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .int8PerChannel, .int8Grouped, .int4Grouped: 1
    case .plain(let type): type.byteCount > 1 ? type.byteCount : nil
    }
  }
}

extension ScalarType {
  /// `nil` for a type that no tensor of a container has.
  fileprivate var code: UInt8? {
    switch self {
    case .f32: 1
    case .f16: 2
    case .bf16: 3
    case .i8: 4
    case .u8: 5
    case .i32: 6
    case .i64: 7
    case .bool: 8
    case .f64: nil
    }
  }
}
