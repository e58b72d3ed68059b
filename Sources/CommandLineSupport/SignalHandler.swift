#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif
internal import Support
import Synchronization

/// Turns Ctrl-C and SIGTERM into a cancellation that the work polls, so that it can end by its own ways: memory released, no
/// half-written file left. A second signal ends the process at once.
///
/// The signals are blocked in every thread and waited for in one of their own, so no code ever runs inside a signal handler.
final class SignalHandler: Sendable {
  private let received = Atomic<Int32>(0)

  /// The signal that asked for the end, if one came.
  var signal: Int32? {
    let number = received.load(ordering: .relaxed)
    return number == 0 ? nil : number
  }

  /// Must be called before other threads are started: they inherit the block.
  init(cancelling token: CancellationToken) {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    sigaddset(&signals, SIGTERM)
    pthread_sigmask(SIG_BLOCK, &signals, nil)

    let waiting = Unmanaged.passRetained(Waiting(handler: self, token: token, signals: signals))
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { context in
        guard let context else { return nil }
        Unmanaged<Waiting>.fromOpaque(context).takeRetainedValue().wait()
        return nil
      }, waiting.toOpaque())
    if status == 0 {
      pthread_detach(thread)
    } else {
      // Without the thread, the signals do what they always do.
      waiting.release()
      pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }
  }

  private final class Waiting {
    let handler: SignalHandler
    let token: CancellationToken
    var signals: sigset_t

    init(handler: SignalHandler, token: CancellationToken, signals: sigset_t) {
      self.handler = handler
      self.token = token
      self.signals = signals
    }

    func wait() {
      while true {
        var number: Int32 = 0
        guard sigwait(&signals, &number) == 0 else { return }
        if handler.signal != nil { _exit(128 + number) }
        handler.received.store(number, ordering: .relaxed)
        token.cancel()
      }
    }
  }
}
