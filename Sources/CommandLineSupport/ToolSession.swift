#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif
internal import ArgumentParser
internal import CFaults
public import Support
public import WeightFormats

/// What every command of the three tools has around it: cancellation by Ctrl-C, progress on standard error, and one way to
/// report a failure.
public struct ToolSession: Sendable {
  /// That of a program which a signal tells that nobody reads its output.
  static let closedOutputStatus = 128 + SIGPIPE
  /// Far more than an error of these tools is long.
  private static let longestError = 2000

  /// Set by Ctrl-C and SIGTERM.
  public let cancellation: CancellationToken
  public let progress: ProgressReporter

  /// Runs a command's body. A failure is printed on standard error as `error: what went wrong; what to do`, and the process ends
  /// with `failureStatus`, or 128 plus the signal's number when a signal asked for the end.
  ///
  ///     func run() throws {
  ///       try ToolSession.run { session in ... }
  ///     }
  /// - Parameter failureStatus: not 1 only where 1 is a result.
  /// - Throws: `ExitCode`, for ArgumentParser.
  public static func run(
    failureStatus: Int32 = 1, _ body: (ToolSession) throws -> Void
  ) throws {
    sana_set_failure_status(failureStatus)
    let cancellation = CancellationToken()
    let signals = SignalHandler(cancelling: cancellation)
    let session = ToolSession(cancellation: cancellation, progress: ProgressReporter())
    do {
      try body(session)
      session.progress.end()
    } catch let exit as ExitCode {
      session.progress.abandon()
      throw exit
    } catch let error as SanaError where error.code == .closedOutput {
      // As a program ends that a signal tells of it: nobody is left to be told.
      session.progress.abandon()
      throw ExitCode(closedOutputStatus)
    } catch {
      session.progress.abandon()
      try? OutputStream.standardError.writeLine(
        "error: \("\(error)".printable(limit: longestError))")
      throw ExitCode(signals.signal.map { 128 + $0 } ?? failureStatus)
    }
  }
}

extension ToolSession {
  /// Opens a model that the command has written, to report on it.
  ///
  /// The model is complete and in its place: where no memory is left to open it, that is said in a
  /// note, and the command has done its work.
  /// - Returns: `nil` where no memory is left.
  /// - Throws: as `ModelFile`'s initializer does for any other reason.
  public func openWritten(_ path: String) throws -> ModelFile? {
    let opened = Result { () throws(SanaError) in try ModelFile(path: path) }
    if case .failure(let error) = opened, error.code == .memoryLimit {
      progress.note("\(path) is complete; there is no memory left to report on it")
      return nil
    }
    return try opened.get()
  }
}
