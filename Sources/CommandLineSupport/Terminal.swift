#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An output stream of the process, and whether a person looks at it.
public enum OutputStream: Int32, Sendable {
  case standardOutput = 1
  case standardError = 2

  /// Whether the stream is a terminal that understands cursor movement.
  public var isTerminal: Bool {
    guard isatty(rawValue) == 1 else { return false }
    return getenv("TERM").map { String(cString: $0) != "dumb" } ?? true
  }

  /// Columns of the terminal, 80 where they are unknown.
  public var columns: Int {
    var size = winsize()
    guard ioctl(rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// Writes all of the text at once. A reader that went away is no error.
  public func write(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while let start = rest.baseAddress, !rest.isEmpty {
        #if canImport(Glibc)
          let written = Glibc.write(rawValue, start, rest.count)
        #elseif canImport(Musl)
          let written = Musl.write(rawValue, start, rest.count)
        #endif
        if written < 0 {
          guard errno == EINTR else { return }
        } else {
          rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
      }
    }
  }

  public func writeLine(_ line: String) { write(line + "\n") }
}
