#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif
internal import Synchronization

/// A thread that runs one body and ends.
///
/// Unlike a dispatch queue, which waits for better times, it says when the system refuses a thread:
/// a limit on memory or on processes does not hang the work but leaves it to the threads that there
/// are.
final class WorkerThread: Sendable {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Far more than loops over numbers need, and little where memory is limited: 2 MiB.
  private static let stackByteCount = 2 << 20

  private let thread: pthread_t
  private let isJoined = Atomic(false)

  /// Starts the thread; `nil` where there can be none.
  init?(_ body: @escaping @Sendable () -> Void) {
    var attributes = pthread_attr_t()
    guard pthread_attr_init(&attributes) == 0 else { return nil }
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, Self.stackByteCount)
    var thread = pthread_t()
    let context = Unmanaged.passRetained(Body(body))
    let status = pthread_create(
      &thread, &attributes,
      { context in
        guard let context else { return nil }
        Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
        return nil
      }, context.toOpaque())
    guard status == 0 else {
      context.release()
      return nil
    }
    self.thread = thread
  }

  /// Waits for the body's end.
  func join() {
    guard !isJoined.exchange(true, ordering: .relaxed) else { return }
    pthread_join(thread, nil)
  }

  deinit {
    if !isJoined.load(ordering: .relaxed) { pthread_detach(thread) }
  }

  /// Runs a body on several threads at once, the calling one included, and waits for all.
  /// - Parameter count: how many; fewer where the system refuses more.
  static func run(on count: Int, _ body: @Sendable () -> Void) {
    withoutActuallyEscaping(body) { body in
      var helpers: [WorkerThread] = []
      while helpers.count < count - 1, let helper = WorkerThread(body) { helpers.append(helper) }
      body()
      for helper in helpers { helper.join() }
    }
  }
}
