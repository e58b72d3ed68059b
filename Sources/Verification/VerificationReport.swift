public import Support

/// Everything that was compared.
public struct VerificationReport: Sendable {
  public let bounds: VerificationBounds
  public private(set) var values: [ComparedValue] = []
  public private(set) var pictures: [ComparedPicture] = []
  /// What to measure by: distances within the trace itself, as of PyTorch's own bfloat16 from its
  /// float32.
  public private(set) var rulers: [ComparedValue] = []
  /// Parts of the trace that could not be compared, and why.
  public private(set) var omissions: [String] = []

  public init(bounds: VerificationBounds) { self.bounds = bounds }

  public mutating func add(_ value: ComparedValue) { values.append(value) }
  /// Adds what is told and not judged.
  public mutating func add(ruler: ComparedValue) { rulers.append(ruler) }
  public mutating func add(_ picture: ComparedPicture) { pictures.append(picture) }

  /// Notes a part that was not compared; the same words only once.
  public mutating func omit(_ reason: String) {
    if !omissions.contains(reason) { omissions.append(reason) }
  }

  /// Whether something was compared and nothing was out of bounds.
  public var passed: Bool {
    !values.isEmpty && values.allSatisfy(bounds.accepts) && pictures.allSatisfy(bounds.accepts)
  }

  /// Whether some value has nothing to do with the trace's.
  public var isOfAnotherModel: Bool {
    values.contains {
      let ratio = $0.comparison.signalToNoiseDecibels
      return ratio > -.infinity && ratio < VerificationBounds.leastRelatedDecibels
    }
  }

  public var minimumSignalToNoiseDecibels: Double? {
    values.map(\.signalToNoiseDecibels).min()
  }

  /// The worst values first.
  public var worstFirst: [ComparedValue] {
    values.sorted { $0.signalToNoiseDecibels < $1.signalToNoiseDecibels }
  }

  /// `{"passed", "other_model", "minimum_snr_db", "values": [{"name", "snr_db", "max_abs_error",
  /// "cosine"}], "image": {"max_abs_error", "psnr_db"}, "rulers": [{"name", "snr_db"}]}`, the
  /// image's numbers being the worst of all pictures, in 8-bit levels; `null` where there is none.
  public var json: MetadataValue {
    let image: MetadataValue =
      pictures.isEmpty
      ? .null
      : [
        "max_abs_error": .integer(Int64(pictures.map(\.maximumError).max() ?? 0)),
        "psnr_db": .number(pictures.map(\.peakSignalToNoiseDecibels).min() ?? 0),
      ]
    return [
      "passed": .bool(passed),
      "other_model": .bool(isOfAnotherModel),
      "minimum_snr_db": minimumSignalToNoiseDecibels.map(MetadataValue.number) ?? .null,
      "values": .array(
        worstFirst.map { value in
          [
            "name": .string(value.name),
            "snr_db": .number(value.signalToNoiseDecibels),
            "max_abs_error": .number(
              min(value.comparison.maximumAbsoluteError, .greatestFiniteMagnitude)),
            "cosine": .number(value.comparison.cosine),
          ]
        }),
      "image": image,
      "rulers": .array(
        rulers.map { ["name": .string($0.name), "snr_db": .number($0.signalToNoiseDecibels)] }),
      "omitted": .array(omissions.map(MetadataValue.string)),
    ]
  }
}
