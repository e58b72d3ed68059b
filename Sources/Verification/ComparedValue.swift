public import Traces

/// One value of a trace beside our own.
public struct ComparedValue: Hashable, Sendable {
  /// What kind of error a value may have.
  public enum Kind: Hashable, Sendable {
    /// Integers and schedules: no error to speak of.
    case exact
    /// One pass through one network, on the trace's own inputs.
    case forwardPass
    /// Several passes, each on what the one before it made: errors add up.
    case accumulated
  }

  /// Path in the trace, with the step in brackets where there is one: `case_a/dpm20/latents[3]`.
  public let name: String
  public let kind: Kind
  public let comparison: Comparison

  public init(name: String, kind: Kind, comparison: Comparison) {
    self.name = name
    self.kind = kind
    self.comparison = comparison
  }

  /// Equal tensors have an infinite ratio and broken ones minus infinity, which JSON cannot say: both ends are cut at what
  /// float32 can never reach.
  public var signalToNoiseDecibels: Double {
    min(max(comparison.signalToNoiseDecibels, -Self.limit), Self.limit)
  }

  private static let limit = 300.0
}

/// A picture of 8-bit levels beside the trace's.
public struct ComparedPicture: Hashable, Sendable {
  /// Path in the trace.
  public let name: String
  /// Largest difference, in levels of 255.
  public let maximumError: Int
  /// Share of the bytes that differ by more than one level.
  public let visibleShare: Double
  /// At most 300.
  public let peakSignalToNoiseDecibels: Double

  /// - Throws: `.tensorMismatch` when the sizes differ.
  public init(name: String, reference: [UInt8], result: [UInt8]) throws {
    let comparison = try Comparison(reference: reference, result: result)
    self.name = name
    maximumError = Int(comparison.maximumAbsoluteError)
    let visible = zip(reference, result).count { abs(Int($0) - Int($1)) > 1 }
    visibleShare = Double(visible) / Double(max(1, reference.count))
    peakSignalToNoiseDecibels = min(comparison.peakSignalToNoiseDecibels(peak: 255), 300)
  }
}
