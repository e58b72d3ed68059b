import CFaults

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What the kernel says this process occupies.
public enum ProcessMemory {
  /// The most bytes of memory the process held at once since it started or since `resetPeak()`: the kernel's `VmHWM`. Mapped
  /// files count as far as they were touched. `nil` where the kernel does not say.
  public static var peakBytes: Int? { kibibytes("VmHWM:", in: "/proc/self/status") }

  /// Bytes of memory that the process holds now, without its code and the files that it maps: the
  /// kernel's `RssAnon`.
  public static var anonymousBytes: Int? { kibibytes("RssAnon:", in: "/proc/self/status") }

  /// What the process holds before a run, in coarse steps: it is not quite the same every time, and
  /// what one run names as the least limit must be enough for the next.
  public static var programBytes: Int {
    let step = 8 << 20
    return ((anonymousBytes ?? 0) + step - 1) / step * step
  }

  /// What the machine can still give without swapping: the kernel's `MemAvailable`.
  public static var availableBytes: Int? { kibibytes("MemAvailable:", in: "/proc/meminfo") }

  private static func kibibytes(_ key: String, in path: String) -> Int? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(
        decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      guard text.hasPrefix(key) else { continue }
      return text.split { !$0.isNumber }.first.flatMap { Int($0) }.map { $0 * 1024 }
    }
    return nil
  }

  /// Gives the system what was allocated and is not used, where the allocator can.
  public static func releaseUnused() { sana_release_unused_memory() }

  /// Makes the peak start again at what is occupied now, where the kernel allows it.
  public static func resetPeak() {
    guard let file = fopen("/proc/self/clear_refs", "w") else { return }
    fputs("5", file)
    fclose(file)
  }
}
