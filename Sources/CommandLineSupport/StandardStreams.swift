#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

internal import CFaults

/// What a process does about its streams and its memory before it opens a file.
enum StandardStreams {
  /// Makes failures of writing errors where the system would end the process, and keeps the numbers
  /// of closed streams from files.
  static func prepare() {
    sana_report_file_faults()
    sana_report_memory_faults()
    // A reader that goes away, and a file that may grow no further, are what the write says.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    // The next file that is opened gets the number of a closed stream, and would be written to in
    // its place. Opened for the other direction, /dev/null takes the number and fails as the closed
    // stream would.
    for (descriptor, mode) in [
      (STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_WRONLY),
    ]
    where fcntl(descriptor, F_GETFD) < 0 && errno == EBADF {
      _ = open("/dev/null", mode)
    }
  }
}
