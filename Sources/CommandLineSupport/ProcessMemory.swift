#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What the kernel says this process occupies.
public enum ProcessMemory {
  /// The most bytes of ordinary memory the process ever held at once (`ru_maxrss`), mapped files that were touched included.
  public static var peakBytes: Int {
    var usage = rusage()
    guard getrusage(RUSAGE_SELF, &usage) == 0 else { return 0 }
    return usage.ru_maxrss * 1024
  }
}
