import CommandLineSupport
import Support

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Time that a piece of work took, on the wall and of all cores.
struct Measurement {
  let seconds: Double
  /// User and system time of all threads.
  let coreSeconds: Double

  init(_ work: () throws -> Void) rethrows {
    let start = ContinuousClock.now
    let before = Self.processSeconds
    try work()
    coreSeconds = Self.processSeconds - before
    seconds = (ContinuousClock.now - start).seconds
  }

  /// GB a second on the wall.
  func rate(_ byteCount: Int) -> Double { Double(byteCount) / seconds / 1e9 }

  /// GB for every second of one core.
  func ratePerCore(_ byteCount: Int) -> Double { Double(byteCount) / coreSeconds / 1e9 }

  private static var processSeconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
