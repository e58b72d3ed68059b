/// What counts as a pass.
public enum VerificationBounds: Hashable, Sendable {
  /// The same numbers within the rounding of float32: at least 90 dB after one forward pass, 70 dB after every step of a loop;
  /// of a picture's bytes 99.9 % within one level, none off by more than three.
  case parity
  /// No value below this many decibels, whatever its kind; pictures are only reported.
  case minimum(decibels: Double)
  /// Quantized weights make other numbers on purpose: everything is reported, and only what is
  /// exact (token ids, schedules), not finite, or so far off that the trace must be another model's
  /// can fail.
  case report

  /// Numbers further apart have nothing to do with each other: zeros have 0 dB against any, and
  /// numbers as large but uncorrelated -3.
  static let leastRelatedDecibels = 3.0

  /// The least ratio that passes, in decibels.
  public func minimum(for kind: ComparedValue.Kind) -> Double {
    switch (self, kind) {
    case (_, .exact): 110
    case (.parity, .forwardPass): 90
    case (.parity, .accumulated): 70
    case (.minimum(let decibels), _): decibels
    case (.report, _): Self.leastRelatedDecibels
    }
  }

  func accepts(_ value: ComparedValue) -> Bool {
    let ratio = value.comparison.signalToNoiseDecibels
    return ratio > -.infinity && ratio >= minimum(for: value.kind)
  }

  func accepts(_ picture: ComparedPicture) -> Bool {
    switch self {
    case .parity: picture.maximumError <= 3 && picture.visibleShare <= 0.001
    case .minimum, .report: true
    }
  }
}
