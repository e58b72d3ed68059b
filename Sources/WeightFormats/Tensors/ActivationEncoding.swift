internal import Support

/// How the input of a matrix product with a weight is represented while the product is computed.
///
/// Input in int8 may be transformed before it is coded, so that its codes tell more: columns are
/// multiplied by factors, then blocks of them are rotated. The weight is that of the transformed
/// input, so that the product is what it was.
public struct ActivationEncoding: Hashable, Sendable {
  /// Planes of int8 codes: none for floating point; two have about the digits of 16 bits.
  public let planes: Int
  /// Whether the columns are multiplied by the numbers of `InputFactors` first.
  public let hasFactors: Bool
  /// Columns of a block that is rotated by a normalized Hadamard matrix (`sana_rotate_row`); 1 for
  /// no rotation.
  public let rotation: Int

  /// The most columns that are rotated together.
  public static let largestRotation = 256

  /// - Precondition: one or two planes; `rotation` is a power of two up to `largestRotation`.
  public init(planes: Int, hasFactors: Bool = false, rotation: Int = 1) {
    precondition(Self.exists(planes: planes, hasFactors: hasFactors, rotation: rotation))
    self.planes = planes
    self.hasFactors = hasFactors
    self.rotation = rotation
  }

  private static func exists(planes: Int, hasFactors: Bool, rotation: Int) -> Bool {
    guard planes > 0 else { return planes == 0 && !hasFactors && rotation == 1 }
    return planes <= 2 && rotation.nonzeroBitCount == 1 && (1...largestRotation).contains(rotation)
  }

  /// Floating point, as the back end stores activations.
  public static let floatingPoint = ActivationEncoding(planes: 0)
  /// Symmetric int8 with one scale per token (pixel), found at run time. A convolution may quantize
  /// transformed patches instead: one scale for the channels of each number that it multiplies.
  public static let int8PerToken = ActivationEncoding(planes: 1)

  public var isInt8: Bool { planes > 0 }

  /// Whether the weight is another than that of the input as it is.
  public var isTransformed: Bool { hasFactors || rotation > 1 }
}

/// The tensors that hold the factors of transformed input: beside each such weight one in f32, a
/// number for each of its columns, of a kernel for each input channel.
public enum InputFactors {
  private static let suffix = ".input_factors"

  /// The name of the tensor with a weight's factors.
  public static func name(of weight: String) -> String { weight + suffix }

  /// Whether a tensor of this name holds factors.
  public static func isName(_ name: String) -> Bool { name.hasSuffix(suffix) }

  /// The tensor with a weight's factors: input channels are a weight's last axis.
  public static func description(of weight: TensorDescription) -> TensorDescription {
    TensorDescription(
      name: name(of: weight.name), shape: [weight.shape.last ?? 1], encoding: .f32)
  }

  /// The first of a component's weights whose factors are not there.
  static func weightWithout(_ tensors: [TensorDescription]) -> String? {
    let held = Dictionary(
      tensors.filter { isName($0.name) }.map { (ExactString($0.name), $0) },
      uniquingKeysWith: { first, _ in first })
    return tensors.first { tensor in
      guard tensor.activations.hasFactors else { return false }
      let wanted = description(of: tensor)
      return held[ExactString(wanted.name)] != wanted
    }?.name
  }
}

extension ActivationEncoding {
  /// The code in a `.sana` directory (`formats.md`, "Activations").
  var code: UInt8 {
    UInt8(planes) | (hasFactors ? 4 : 0) | UInt8(rotation.trailingZeroBitCount) << 4
  }

  /// `nil` for a code that this version does not know.
  init?(code: UInt8) {
    let (planes, rotation) = (Int(code & 3), 1 << Int(code >> 4))
    guard code & 8 == 0,
      Self.exists(planes: planes, hasFactors: code & 4 != 0, rotation: rotation)
    else { return nil }
    self.init(planes: planes, hasFactors: code & 4 != 0, rotation: rotation)
  }

  /// Whether a reader must know more than one plane of the input as it is.
  var needsTransformations: Bool { planes > 1 || isTransformed }
}
