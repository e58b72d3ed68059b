internal import SanaGraph
public import Traces
public import WeightFormats

/// What one operation of a network makes of its weight in another model: the error that it adds
/// itself, and the one it passes on.
public struct OperationError: Sendable {
  public let component: ComponentKind
  /// The operation's weight: `transformer_blocks.0.attn1.to_qkv.weight`.
  public let weight: String
  /// The operation: `linear`.
  public let kind: String
  /// How the weight is stored in the reference and in the tested model.
  public let referenceWeight: TensorDescription
  public let testedWeight: TensorDescription
  /// Of the tested model's operation on the reference's operands: the operation's own error.
  public internal(set) var own = ErrorStatistics()
  /// Of the tested model's operation within the tested network, whose operands have errors of their
  /// own.
  public internal(set) var inherited = ErrorStatistics()
  /// How long the operation takes with the reference's weight, and with the tested one; the fastest
  /// of all samples.
  public internal(set) var referenceTime = Duration.seconds(1 << 30)
  public internal(set) var testedTime = Duration.seconds(1 << 30)

  /// Bytes more that the tested model would have with the weight in the reference's encoding, or in
  /// 16 bits where that has more.
  public var protectionBytes: Int {
    var wide = testedWeight
    wide.encoding = protection
    return wide.valueByteCount - testedWeight.valueByteCount - 4 * testedWeight.scaleCount
  }

  /// The encoding that would keep the weight's numbers: the reference's where it has 16 bits,
  /// otherwise f16.
  public var protection: TensorEncoding {
    referenceWeight.encoding == .bf16 ? .bf16 : .f16
  }

  /// Whether a rule could take any of the error away: not where the tested model already has the
  /// weight in 16 bits and multiplies it by activations in floating point.
  public var isProtectable: Bool {
    testedWeight.activations.planes > 0
      || ![.f16, .bf16, .f32].contains(testedWeight.encoding)
  }

  /// The argument of `sana-quant --rule` that keeps the weight in 16 bits.
  public var rule: String {
    let name = "\(component.rawValue)/\(weight)".map { $0 == "." ? "\\." : "\($0)" }.joined()
    return "^\(name)$=\(protection)"
  }
}

/// Errors of the same value over several samples.
public struct ErrorStatistics: Hashable, Sendable {
  /// Over all elements of all samples.
  public private(set) var comparison = Comparison()
  /// Signal-to-noise ratio of each sample.
  public private(set) var decibels: [Double] = []
  private var histogram = ErrorHistogram()

  public init() {}

  /// Adds a sample.
  mutating func add(reference: [Float], result: [Float]) throws {
    try comparison.add(reference: reference, result: result)
    decibels.append(
      try Comparison(reference: reference, result: result).signalToNoiseDecibels)
    histogram.add(reference, result)
  }

  /// Over all elements of all samples.
  public var signalToNoiseDecibels: Double { comparison.signalToNoiseDecibels }

  /// Over the samples.
  public var spread: Spread { Spread(decibels) }

  /// The error that a share of the elements does not exceed, in units of the reference's root mean
  /// square.
  public func relativeQuantile(_ share: Double) -> Double {
    let unit = comparison.referenceRootMeanSquare
    return unit > 0 ? histogram.quantile(share) / unit : 0
  }
}
