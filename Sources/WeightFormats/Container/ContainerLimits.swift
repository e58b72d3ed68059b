/// What a `.sana` file may hold. A reader refuses a file that exceeds any of these (`formats.md`,
/// "Limits").
public enum ContainerLimits {
  public static let directoryByteCount = 64 << 20
  public static let components = 16
  public static let tensorsPerComponent = 1 << 16
  public static let nameByteCount = 512
  public static let rank = 8
  /// Product of all axes that are not 0.
  public static let elements = 1 << 40
  public static let chunkByteCount = 16 << 20
  /// No LZ4 block grows by more.
  public static let expansion = 255
  public static let metadataDepth = 32
  /// Values in all metadata trees of one file together.
  public static let metadataValues = 1 << 20

  /// Whether a scale may cover this many columns: multiples of 8 from 8 to 4096.
  public static func isGroupSize(_ columns: Int) -> Bool {
    (8...4096).contains(columns) && columns % 8 == 0
  }
}

extension TensorDescription {
  /// The rule of the format that this description breaks, or `nil`. Where it is `nil`, none of the
  /// sizes derived from the description overflows.
  package var brokenRule: String? {
    if let rule = containerNameRule(name) { return rule }
    if shape.count > ContainerLimits.rank {
      return "has \(shape.count) axes, more than \(ContainerLimits.rank)"
    }
    var elements = 1
    for extent in shape {
      if extent < 0 { return "has a negative axis" }
      let (product, overflow) = elements.multipliedReportingOverflow(by: max(extent, 1))
      if overflow || product > ContainerLimits.elements { return "has too many elements" }
      elements = product
    }
    switch encoding {
    case .int8Grouped(let size), .int4Grouped(let size):
      if !ContainerLimits.isGroupSize(size) {
        return "has groups of \(size) columns; they must be a multiple of 8 between 8 and 4096"
      }
    case .f32, .f16, .bf16, .int8PerChannel, .plain: break
    }
    if activations.rotation > 1, shape.count != 2 || columns % activations.rotation != 0 {
      return "rotates blocks of \(activations.rotation) columns, which it is not made of"
    }
    return nil
  }
}

/// The rule that a name of a component or tensor breaks, or `nil`.
func containerNameRule(_ name: String) -> String? {
  if name.isEmpty { return "has an empty name" }
  if name.utf8.count > ContainerLimits.nameByteCount {
    return "has a name longer than \(ContainerLimits.nameByteCount) bytes"
  }
  if name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
    return "has a name with control characters"
  }
  return nil
}
