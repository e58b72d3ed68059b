#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif
public import Support

/// An output stream of the process, and whether a person looks at it.
public enum OutputStream: Int32, Sendable {
  case standardOutput = 1
  case standardError = 2

  /// Whether the stream is a terminal, of whatever kind.
  var isTerminalDevice: Bool { isatty(rawValue) == 1 }

  /// Whether the stream is a terminal that understands cursor movement.
  public var isTerminal: Bool {
    guard isTerminalDevice else { return false }
    return getenv("TERM").map { String(cString: $0) != "dumb" } ?? true
  }

  /// Columns of the terminal, 80 where they are unknown.
  public var columns: Int {
    var size = winsize()
    guard ioctl(rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// Writes lines of text. Of control characters, line feeds alone reach the stream as they are.
  /// - Throws: `.closedOutput` when the reader has gone away, `.fileAccess` for any other failure.
  public func write(_ text: String) throws(SanaError) {
    try write(bytes: Array(text.escapingControls(keepsLines: true).utf8))
  }

  public func writeLine(_ line: String) throws(SanaError) { try write(line + "\n") }

  /// Writes all of the bytes as they are.
  /// - Throws: as `write(_:)`.
  public func write(bytes: [UInt8]) throws(SanaError) {
    // `withUnsafeBytes` forgets the type of the error that it passes on; a `Result` carries it.
    try bytes.withUnsafeBytes { buffer in
      Result { () throws(SanaError) in try write(bytes: buffer) }
    }.get()
  }

  /// Writes all of the bytes as they are.
  /// - Throws: as `write(_:)`.
  public func write(bytes: UnsafeRawBufferPointer) throws(SanaError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest)
      let written = systemWrite(rawValue, piece.baseAddress, piece.count)
      if written >= 0 {
        rest = rest.dropFirst(written)
      } else if errno == EAGAIN {
        waitUntilWritable()
      } else if errno != EINTR {
        throw failure(errno)
      }
    }
  }

  /// A reader may have made the stream one that does not wait.
  private func waitUntilWritable() {
    var request = pollfd(fd: rawValue, events: Int16(POLLOUT), revents: 0)
    poll(&request, 1, -1)
  }

  private func failure(_ code: Int32) -> SanaError {
    let name = self == .standardOutput ? "standard output" : "standard error"
    switch code {
    case EPIPE:
      return SanaError(
        .closedOutput, "the reader of the \(name) has gone away", remedy: "run the command again")
    case EBADF:
      return SanaError(
        .fileAccess, "the \(name) is closed", remedy: "leave it open, or send it to /dev/null")
    default: return .fileAccess(name, cannotBe: "written", errno: code)
    }
  }
}

extension SanaError.Code {
  /// Whoever read an output stream of the process does so no longer.
  static let closedOutput: Self = "closed-output"
}

/// `write(2)`, which the methods of the same name would shadow.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  write(descriptor, bytes, count)
}
