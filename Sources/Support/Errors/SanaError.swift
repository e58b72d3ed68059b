/// The one error type of the toolchain: a stable code, a sentence that says what went wrong, a
/// sentence that says what to do about it, and where it happened.
///
/// Printed as `what went wrong; what to do`.
public struct SanaError: Error, Sendable {
  /// A stable, extensible identifier that programs can compare.
  public struct Code: Hashable, Sendable, RawRepresentable, ExpressibleByStringLiteral {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }
    public init(stringLiteral value: String) { self.rawValue = value }

    /// A file could not be opened, read, written, synced or renamed.
    public static let fileAccess: Code = "file-access"
    /// The bytes of a file break the rules of its format.
    public static let malformedFile: Code = "malformed-file"
    /// The file's bytes are not the ones that were written: a checksum or a length disagrees.
    public static let corruptFile: Code = "corrupt-file"
    /// The file or model is well formed, but this version cannot use it.
    public static let unsupported: Code = "unsupported"
    /// A tensor is missing, unexpected or has the wrong shape or type.
    public static let tensorMismatch: Code = "tensor-mismatch"
    /// A configuration lacks a key or holds a value that makes no sense.
    public static let invalidConfiguration: Code = "invalid-configuration"
    /// What the user asked for cannot be done as asked.
    public static let invalidArgument: Code = "invalid-argument"
    /// The stated memory limit cannot hold the run.
    public static let memoryLimit: Code = "memory-limit"
    /// A watched value became NaN or infinite, or saturated.
    public static let numericalFailure: Code = "numerical-failure"
    /// The user or the system asked the program to stop.
    public static let cancelled: Code = "cancelled"
  }

  public let code: Code
  /// What went wrong, without a full stop: `tensor 'proj_out.weight' is missing from transformer/`.
  public let message: String
  /// What to do, without a full stop: `download the checkpoint again`.
  public let remedy: String
  /// The underlying error, if there was one.
  public let cause: (any Error)?
  /// The file, the tensor, or the byte position concerned.
  public let location: String?

  public init(
    _ code: Code, _ message: String, remedy: String, location: String? = nil,
    cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message
    self.remedy = remedy
    self.location = location
    self.cause = cause
  }
}

extension SanaError: CustomStringConvertible {
  /// One line, whatever the texts hold that files and arguments brought into it: what is obeyed by
  /// terminals is escaped, and what is too long abbreviated.
  public var description: String {
    var text = message.printable(limit: Self.longestMessage)
    if let location { text = "\(location.printablePath): \(text)" }
    if let cause { text += " (\("\(cause)".printable(limit: Self.longestMessage)))" }
    return "\(text); \(remedy.printable(limit: Self.longestMessage))"
  }

  private static let longestMessage = 480
}
