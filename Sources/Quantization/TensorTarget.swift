public import WeightFormats

/// What a tensor shall become.
public struct TensorTarget: Hashable, Sendable {
  public var encoding: TensorEncoding
  public var activations: ActivationEncoding

  public init(_ encoding: TensorEncoding, activations: ActivationEncoding = .floatingPoint) {
    self.encoding = encoding
    self.activations = activations
  }

  /// How `init(parsing:)` wants it, for help and errors.
  public static let grammar =
    "f32, f16, bf16, int8, int8:GROUP or int4:GROUP, where GROUP is a multiple of 8 from 8 to 4096;"
    + " int8 with /a8 behind it multiplies int8 activations"

  /// Reads `f16`, `int8`, `int8:64`, `int4:32`, `int8/a8`; `nil` for anything else.
  public init?(parsing text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard let encoding = Self.encoding(parts[0]) else { return nil }
    switch parts.count {
    case 1: self.init(encoding)
    case 2 where parts[1] == "a8" && encoding == .int8PerChannel:
      self.init(encoding, activations: .int8PerToken)
    default: return nil
    }
  }

  private static func encoding(_ text: Substring) -> TensorEncoding? {
    switch text {
    case "f32": return .f32
    case "f16": return .f16
    case "bf16": return .bf16
    case "int8": return .int8PerChannel
    default:
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2, let size = Int(parts[1]), ContainerLimits.isGroupSize(size) else {
        return nil
      }
      switch parts[0] {
      case "int8": return .int8Grouped(groupSize: size)
      case "int4": return .int4Grouped(groupSize: size)
      default: return nil
      }
    }
  }
}

extension TensorTarget: CustomStringConvertible {
  public var description: String {
    activations == .int8PerToken ? "\(encoding)/a8" : "\(encoding)"
  }
}
