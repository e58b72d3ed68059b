public import WeightFormats

/// What a tensor shall become.
public struct TensorTarget: Hashable, Sendable {
  public var encoding: TensorEncoding
  public var activations: ActivationEncoding
  /// Whether the groups are the taps of a convolution kernel: one scale for each output channel and tap. How many columns that
  /// are depends on the tensor (`resolved(for:)`).
  public private(set) var isPerTap = false

  public init(_ encoding: TensorEncoding, activations: ActivationEncoding = .floatingPoint) {
    self.encoding = encoding
    self.activations = activations
  }

  /// int8 with one scale for each output channel and tap of a convolution kernel.
  public static func int8PerTap(activations: ActivationEncoding) -> TensorTarget {
    var target = TensorTarget(.int8PerChannel, activations: activations)
    target.isPerTap = true
    return target
  }

  /// Whether a tensor can take the target: codes with scales need a matrix, one row an output channel; a depthwise kernel
  /// `[k, k, C]` has its channels last and is none. Taps belong to a kernel `[O, k, k, I]` whose I is a group size of the container.
  public func fits(_ description: TensorDescription) -> Bool {
    if case .plain = description.encoding { return false }
    if isPerTap {
      return description.shape.count == 4 && ContainerLimits.isGroupSize(description.shape[3])
    }
    if !encoding.isQuantized, activations == .floatingPoint { return true }
    return description.shape.count == 2 || description.shape.count == 4
  }

  /// The target with the encoding that a tensor which it fits is stored in.
  public func resolved(for description: TensorDescription) -> TensorTarget {
    guard isPerTap, let channels = description.shape.last else { return self }
    return TensorTarget(.int8Grouped(groupSize: channels), activations: activations)
  }

  /// How `init(parsing:)` wants it, for help and errors.
  public static let grammar =
    "f32, f16, bf16, int8, int8:tap, int8:GROUP or int4:GROUP, where GROUP is a multiple of 8 from 8 to 4096;"
    + " int8 and int8:tap with /a8 behind them multiply int8 activations, int8/a16 those in two planes of int8, f16/a8 and"
    + " bf16/a8 with codes made on loading"

  /// Reads `f16`, `int8`, `int8:64`, `int4:32`, `int8/a8`, `int8:tap`, `int8:tap/a8`, `f16/a8`; `nil` for anything else.
  public init?(parsing text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    let isPerTap = parts[0] == "int8:tap"
    guard let encoding = isPerTap ? .int8PerChannel : Self.encoding(parts[0]) else { return nil }
    switch parts.count {
    case 1: self.init(encoding)
    case 2 where parts[1] == "a8" && [.int8PerChannel, .f16, .bf16].contains(encoding):
      self.init(encoding, activations: .int8PerToken)
    case 2 where parts[1] == "a16" && encoding == .int8PerChannel && !isPerTap:
      self.init(encoding, activations: ActivationEncoding(planes: 2))
    default: return nil
    }
    self.isPerTap = isPerTap
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
    "\(encoding)\(isPerTap ? ":tap" : "")\(["", "/a8", "/a16"][activations.planes])"
  }
}
