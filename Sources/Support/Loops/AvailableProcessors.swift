internal import CKernels

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// How many threads of this process can run at the same time, and why not more.
public struct AvailableProcessors: Hashable, Sendable {
  /// Processors of the machine that are online.
  public let online: Int
  /// Those of them that the affinity mask allows, or a container's set of processors.
  public let allowed: Int
  /// The processor time that the control group allows, where it sets a limit.
  public let quota: ProcessorQuota?

  package init(online: Int, allowed: Int, quota: ProcessorQuota?) {
    self.online = online
    self.allowed = allowed
    self.quota = quota
  }

  /// Of this process, as they were when it asked first.
  public static let current: AvailableProcessors = {
    let online = max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)
    let allowed = sana_cpu_allowed_count()
    return AvailableProcessors(
      online: online, allowed: allowed > 0 ? min(allowed, online) : online,
      quota: ControlGroups().quota)
  }()

  /// Threads to start. A quota between two numbers is rounded up: what one thread fewer would leave
  /// unused is more than what threads that pause at the end of every period lose.
  public var count: Int {
    guard let quota, quota.processors < Double(allowed) else { return allowed }
    return max(1, Int(quota.processors.rounded(.up)))
  }
}

/// Processor time in a period of time, as a control group limits it.
public struct ProcessorQuota: Hashable, Sendable {
  /// Time over period: 0.5 is half of one processor.
  public let processors: Double
  /// The file that says so.
  public let path: String

  package init(processors: Double, path: String) {
    self.processors = processors
    self.path = path
  }
}
