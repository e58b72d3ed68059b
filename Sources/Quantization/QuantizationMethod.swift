public import Support

/// How weights are coded, beyond rounding each number to the nearest code.
public struct QuantizationMethod: Hashable, Sendable {
  public let name: String
  /// One line for help texts.
  public let summary: String
  /// Whether the input of products of int8 activations is rotated.
  let rotates: Bool
  /// Whether factors move what is hard to code between such input and the weight.
  let migrates: Bool
  /// Whether the numbers of a row make up for each other's rounding.
  let isSecondOrder: Bool

  /// Whether it asks for what products multiply while the model draws.
  public var usesStatistics: Bool { migrates || isSecondOrder }

  public static let nearest = QuantizationMethod(
    name: "nearest", summary: "every number by itself", rotates: false, migrates: false,
    isSecondOrder: false)
  public static let rotation = QuantizationMethod(
    name: "rotation", summary: "with rotated activations; needs no statistics", rotates: true,
    migrates: false, isSecondOrder: false)
  public static let migration = QuantizationMethod(
    name: "migration",
    summary: "with rotated activations, whose large channels the weights take on",
    rotates: true, migrates: true, isSecondOrder: false)
  public static let secondOrder = QuantizationMethod(
    name: "second-order", summary: "as migration, rounding so that products change least",
    rotates: true, migrates: true, isSecondOrder: true)

  public static let all = [secondOrder, migration, rotation, nearest]

  /// - Throws: `.invalidArgument` listing the methods when there is none of this name.
  public static func named(_ name: String) throws(SanaError) -> QuantizationMethod {
    guard let method = all.first(where: { $0.name == name }) else {
      throw SanaError(
        .invalidArgument, "there is no method '\(name.abbreviated)'",
        remedy: "choose one of \(all.map(\.name).joined(separator: ", "))")
    }
    return method
  }
}
