internal import Support
import Synchronization

/// Shows on standard error what is being done: on a terminal a bar for the stage that runs and a line with its time for each
/// finished one, elsewhere nothing but notes.
///
/// Safe to call from any thread.
public final class ProgressReporter: Sendable {
  private struct Stage {
    let name: String
    let total: Int
    let start: ContinuousClock.Instant
    var completed = 0
    var lastDrawn: ContinuousClock.Instant?
  }

  private let stage = Mutex<Stage?>(nil)
  private let showsProgress: Bool
  private let stream: OutputStream

  /// - Parameter showsProgress: by default only when standard error is a terminal.
  public init(
    stream: OutputStream = .standardError, showsProgress: Bool? = nil
  ) {
    self.stream = stream
    self.showsProgress = showsProgress ?? stream.isTerminal
  }

  /// Ends the stage that runs, if any, and starts another.
  /// - Parameter total: how many units the stage has; 0 when they cannot be counted.
  public func begin(_ name: String, total: Int = 0) {
    stage.withLock { stage in
      finish(&stage)
      stage = Stage(name: name.abbreviated, total: total, start: .now)
      draw(&stage, force: true)
    }
  }

  /// Says how many units are done.
  public func update(_ completed: Int) {
    stage.withLock { stage in
      stage?.completed = completed
      draw(&stage, force: false)
    }
  }

  /// Shows the time that has passed, for work whose units take long.
  public func tick() {
    stage.withLock { draw(&$0, force: false) }
  }

  /// Ends the stage that runs: its bar becomes a line with its time.
  public func end() {
    stage.withLock { finish(&$0) }
  }

  /// Removes the bar without a line: the stage failed.
  public func abandon() {
    stage.withLock { stage in
      if stage != nil, showsProgress { show(Self.clearLine) }
      stage = nil
    }
  }

  /// Prints `note: ` and the text, one line above the bar, on a terminal or not: a warning, a
  /// finding. What is longer than three lines of a terminal is cut.
  public func note(_ text: String) {
    let line = "note: \(text)".printable(limit: Self.longestNote)
    stage.withLock { stage in
      show((showsProgress && stage != nil ? Self.clearLine : "") + line + "\n")
      draw(&stage, force: true)
    }
  }

  /// Three lines of a terminal.
  private static let longestNote = 240
  private static let clearLine = "\r\u{1B}[K"
  private static let redrawInterval = Duration.milliseconds(80)
  private static let nameWidth = 12

  /// What cannot be shown is lost: there is no other place to say so.
  private func show(_ text: String) { try? stream.write(bytes: Array(text.utf8)) }

  private func finish(_ stage: inout Stage?) {
    guard let finished = stage else { return }
    stage = nil
    guard showsProgress else { return }
    let time = (ContinuousClock.now - finished.start).readable
    show("\(Self.clearLine)\(Self.padded(finished.name)) \(time)\n")
  }

  private func draw(_ stage: inout Stage?, force: Bool) {
    guard showsProgress, let current = stage else { return }
    let now = ContinuousClock.now
    if !force, let last = current.lastDrawn, now - last < Self.redrawInterval { return }
    stage?.lastDrawn = now
    let time = (now - current.start).readable
    guard current.total > 0 else {
      show("\(Self.clearLine)\(Self.padded(current.name)) ... \(time)")
      return
    }
    let fraction = min(max(Double(current.completed) / Double(current.total), 0), 1)
    let tail = " \(Int(fraction * 100))%  \(time)"
    let width = min(40, stream.columns - Self.nameWidth - tail.count - 3)
    let bar = width >= 4 ? Self.bar(fraction, width: width) : ""
    show("\(Self.clearLine)\(Self.padded(current.name)) \(bar)\(tail)")
  }

  private static func bar(_ fraction: Double, width: Int) -> String {
    let full = Int(fraction * Double(width))
    return String(repeating: "█", count: full) + String(repeating: "░", count: width - full)
  }

  private static func padded(_ name: String) -> String {
    name + String(repeating: " ", count: max(nameWidth - name.count, 0))
  }
}
